"""A/B tests: versions share the traffic until a metric of their users tells them apart."""

from prefect_mlops.core.abtest.plan import Arm, Comparison

__all__ = ["Arm", "Comparison"]
