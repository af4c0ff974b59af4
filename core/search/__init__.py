"""Searching for the parameters of a trainer: the space, the honest estimate of its best, and what was found."""

from prefect_mlops.core.search.results import Estimate, SearchResult, TrialRow
from prefect_mlops.core.search.space import Dimension, Search

__all__ = ["Dimension", "Estimate", "Search", "SearchResult", "TrialRow"]
