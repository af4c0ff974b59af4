"""Metrics by name, each with a value and the influence function that its standard error comes from."""

from prefect_mlops.core.metrics.measuring import compare, measure
from prefect_mlops.core.metrics.metric import Metric
from prefect_mlops.core.metrics.named import metric_named, metrics_for

__all__ = ["Metric", "compare", "measure", "metric_named", "metrics_for"]
