"""The peers: what people write without this product, each in the few lines that its documentation shows."""
