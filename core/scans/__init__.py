"""Scans over parts of the rows: slices and groups, compared all at once with p-values corrected over all."""
