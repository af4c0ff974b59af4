"""What a served model costs beside its peers, and what the gateway adds; `make bench-serving` runs all of it."""
