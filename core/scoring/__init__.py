"""Batch scoring: which windows of accepted rows are due, what their scores are on record as, and a candidate beside."""

from prefect_mlops.core.scoring.plan import Arm, Recorded, Scoring, Window, due_windows

__all__ = ["Arm", "Recorded", "Scoring", "Window", "due_windows"]
