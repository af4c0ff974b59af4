"""Read what has happened since the champion took over, and pay for looking at the judging rows once more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.reign import Reign, reign_of
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.runs import run_key, run_name

if TYPE_CHECKING:
    from prefect_mlops.blocks import Ledger
    from prefect_mlops.core.splits import RowSets
    from prefect_mlops.tasks.champions import Champion

__all__ = ["read_reign"]


@task
def read_reign(
    ledger: Ledger, spec: ModelSpec, champion: Champion | None, sets: RowSets, as_of: datetime
) -> Reign | None:
    """Say how long the champion has served, what was bet against it, and how worn the judging rows are.

    The use of the judging rows is written down before anybody sees the result, once a run: a run that dies has
    looked, and a run that is tried again has looked once.

    Args:
        ledger: The ledger.
        spec: The model's spec.
        champion: The version trusted now.
        sets: The rows of this training.
        as_of: The time that the training belongs to.

    Returns:
        None where there is no champion to compare with.
    """
    if champion is None:
        return None
    from prefect_mlops.core.evaluation import holdout_digest
    from prefect_mlops.core.gates.worn import COMPARED, count_uses, sketch_of

    records, key = ledger.records(model=spec.name), f"{spec.name}:{COMPARED}:{run_key()}"
    digest, sketch = holdout_digest(spec, sets.judging), sketch_of(sets.judging, spec.data.key)
    use = count_uses([record for record in records if record.key != key], digest, sketch)
    ledger.append(
        model=spec.name,
        stage=COMPARED,
        subject=digest[:16],
        body={**use.model_dump(), "champion": champion.version, "rows": len(sets.judging), "sketch": list(sketch)},
        as_of=as_of.isoformat(),
        actor=run_name(),
        key=key,
    )
    return reign_of(records, champion.version, as_of, chosen_until=champion.judged_until, holdout_use=use)
