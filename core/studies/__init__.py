"""Studies of a model: what simpler models reach, what each feature brings, and how fast it ages."""

from prefect_mlops.core.studies.records import Ablation, Baselines, Contribution, Staleness

__all__ = ["Ablation", "Baselines", "Contribution", "Staleness"]
