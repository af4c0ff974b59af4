"""When and where flows run: specs, deployments and the command line."""
