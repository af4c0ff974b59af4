"""Look at a model in service: the rows it sees lately, and how right it was once labels are known."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.monitors import Seen
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, PredictionLog
    from prefect_mlops.tasks.champions import Champion

__all__ = ["collect_predictions", "observe_model"]


@task(retries=2, retry_delay_seconds=2)
def collect_predictions(predictions: PredictionLog, tables: DeltaTables, spec: ModelSpec) -> int:
    """Move what the servers have logged into the model's table of predictions, each line exactly once.

    Returns:
        How many predictions were new.
    """
    return predictions.collect(spec.name, tables)


@task
def observe_model(
    tables: DeltaTables, spec: ModelSpec, champion: Champion, recent: pd.DataFrame, as_of: datetime
) -> Seen:
    """Compare the recent window with the champion's reference, and its predictions with the labels known by now.

    Args:
        tables: Where the tables are.
        spec: The model's spec.
        champion: The version in service, with its reference profile.
        recent: The recent window, with the target where it is known.
        as_of: End of that window.
    """
    from prefect_mlops.core.profile import look

    scored = _score(tables, spec, champion, recent)
    return look(spec, champion.profile, recent, scored, as_of.isoformat())


def _score(tables: DeltaTables, spec: ModelSpec, champion: Champion, recent: pd.DataFrame) -> pd.DataFrame:
    """The champion's last answer, served or scored in a batch, for each recent row that has a label."""
    import pandas as pd

    from prefect_mlops.core.splits import key_text
    from prefect_mlops.tasks.scored import read_scores

    columns = ["key", "version", "predicted_at", "prediction", "score", "probabilities"]
    labelled = recent[recent[spec.target.column].notna()]
    found = labelled.assign(key=key_text(labelled, spec.data.key), target=labelled[spec.target.column])
    found = found.assign(event_time=found[spec.data.time] if spec.data.time else None)
    made = read_scores(tables, spec, champion, labelled)
    if tables.exists(f"{spec.name}-predictions"):
        served = tables.read(f"{spec.name}-predictions", columns=columns)
        served = served[served["version"] == champion.version]
        made = pd.concat([served, made], ignore_index=True) if len(made) else served
    made = made.sort_values("predicted_at", kind="stable").drop_duplicates("key", keep="last")
    return found[["key", "target", "event_time"]].merge(made, on="key", how="inner")
