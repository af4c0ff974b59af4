"""What an experiment leaves on record: curves, importances, costs, and runs beside each other."""

from prefect_mlops.core.experiments.records import ExperimentReport, Report, RunComparison, Usage

__all__ = ["ExperimentReport", "Report", "RunComparison", "Usage"]
