"""Drift: how far a column's recent values have moved from the reference."""

from prefect_mlops.core.drift.distances import (
    kolmogorov_smirnov,
    population_stability_index,
    total_variation,
)

__all__ = ["kolmogorov_smirnov", "population_stability_index", "total_variation"]
