"""A champion's batch scores in the form of served predictions, so that monitors count both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.scoring import clock_of, learned_until

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.blocks import DeltaTables
    from prefect_mlops.tasks.champions import Champion

__all__ = ["read_scores"]


def read_scores(tables: DeltaTables, spec: ModelSpec, champion: Champion, rows: pd.DataFrame) -> pd.DataFrame:
    """The champion's scores of some rows, without those in windows that it learned from: these would flatter it.

    Args:
        tables: Where the tables are.
        spec: The model's spec.
        champion: The version in service.
        rows: Accepted rows, with key, time and when they were accepted.

    Returns:
        `key`, `version`, `predicted_at`, `prediction`, `score` and `probabilities` as the prediction log has them; none
        where nothing was scored.
    """
    import pandas as pd

    from prefect_mlops.blocks.scores import ScoreTable
    from prefect_mlops.core.columns import arrow_column
    from prefect_mlops.core.scoring.records import window_names
    from prefect_mlops.core.splits import key_text

    columns = ["key", "version", "scored_at", "prediction", "score", "probabilities"]
    table, (clock, kind) = ScoreTable(tables, spec.name), clock_of(spec)
    seen = window_names(arrow_column(rows[clock]), kind)
    learned = learned_until(spec, champion.lineage)
    wanted = {name for name in seen.unique().to_pylist() if name is not None and name > learned}
    windows = sorted(wanted & table.recorded("champion").windows.keys())
    if not windows:
        return pd.DataFrame(columns=columns).rename(columns={"scored_at": "predicted_at"})
    found = table.read("champion", columns, windows)
    kept = (found["version"] == champion.version) & found["key"].isin(key_text(rows, spec.data.key))
    found = found[kept].rename(columns={"scored_at": "predicted_at"})
    told = [None if shares is None else json.dumps(list(map(float, shares))) for shares in found["probabilities"]]
    return found.assign(probabilities=pd.Series(told, index=found.index, dtype=object))
