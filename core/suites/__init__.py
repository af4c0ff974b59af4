"""Suites: read in any form, proposed from clean batches, compared, and completed by what was accepted before."""
