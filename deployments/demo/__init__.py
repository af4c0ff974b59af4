"""One command that closes the whole loop on real flights."""
