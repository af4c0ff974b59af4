"""Rollouts: how a new version takes over its traffic, and when that is undone."""

from prefect_mlops.core.rollout.plan import Need, Quality, RolloutPlan, Shadow, requests_needed

__all__ = ["Need", "Quality", "RolloutPlan", "Shadow", "requests_needed"]
