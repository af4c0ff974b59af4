"""Look at a model in service: the rows it sees lately, and how right it was once labels are known."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.monitors import Seen
from prefect_mlops.core.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables, PersonalKey, PredictionLog
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
    tables: DeltaTables,
    spec: ModelSpec,
    champion: Champion,
    recent: pd.DataFrame,
    as_of: datetime,
    personal: PersonalKey | None = None,
) -> Seen:
    """Compare the recent window with the champion's reference, and its predictions with the labels known by now.

    Args:
        tables: Where the tables are.
        spec: The model's spec.
        champion: The version in service, with its reference profile.
        recent: The recent window, with the target where it is known.
        as_of: End of that window.
        personal: The key of the stand-ins, by which labels find predictions where a personal column is their key.
    """
    from prefect_mlops.core.profiling import look

    scored = _score(tables, spec, champion, recent, personal)
    return look(spec, champion.profile, recent, scored, as_of.isoformat())


def _score(
    tables: DeltaTables, spec: ModelSpec, champion: Champion, recent: pd.DataFrame, personal: PersonalKey | None
) -> pd.DataFrame:
    """The champion's last answer, served or scored in a batch, for each recent row that has a label."""
    import pandas as pd

    from prefect_mlops.core.predictions import keys_as_logged
    from prefect_mlops.core.splits import key_text
    from prefect_mlops.tasks.scored import read_scores

    labelled = recent[recent[spec.target.column].notna()]
    secret = personal.secret() if personal else None
    found = pd.DataFrame(
        {
            "key": key_text(labelled, spec.data.key),
            "logged": keys_as_logged(labelled, spec, secret),
            "target": labelled[spec.target.column],
            "event_time": labelled[spec.data.time] if spec.data.time else None,
        }
    )
    # The log may know a row by a stand-in, or not at all; the table of scores has its key, as that of its rows has.
    named = found.loc[found["logged"] != "", ["key", "logged"]]
    served = _served(tables, spec, champion.version).rename(columns={"key": "logged"}).merge(named, on="logged")
    scores = read_scores(tables, spec, champion, labelled)
    made = pd.concat([rows for rows in (served, scores) if len(rows)] or [scores], ignore_index=True)
    made = made.sort_values("predicted_at", kind="stable").drop_duplicates("key", keep="last")
    return found.drop(columns="logged").merge(made.drop(columns="logged", errors="ignore"), on="key", how="inner")


def _served(tables: DeltaTables, spec: ModelSpec, version: int) -> pd.DataFrame:
    """The answers of a version that callers got, with a key to find their labels by."""
    import pandas as pd

    from prefect_mlops.core.predictions import only_answered

    columns = ["key", "version", "predicted_at", "answered", "prediction", "score", "probabilities"]
    table = f"{spec.name}-predictions"
    if not tables.exists(table):
        return pd.DataFrame(columns=columns)
    there = tables.types_of(table).names  # a table that nothing was added to for long may lack what lines hold now
    made = only_answered(tables.read(table, columns=[name for name in columns if name in there]))
    return made[(made["version"] == version) & (made["key"] != "")]
