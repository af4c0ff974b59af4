"""Searching for the parameters of a trainer: the space, the honest estimate of its best, and what was found."""
