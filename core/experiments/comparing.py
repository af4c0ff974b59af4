"""Runs beside each other on the hold-out rows that they share: what is kept of a hold-out, and what it tells later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.evaluation import measurement_of
from prefect_mlops.core.experiments.intervals import LEVEL, interval
from prefect_mlops.core.experiments.records import RunComparison, RunValue
from prefect_mlops.core.gates.confidence import estimate_of
from prefect_mlops.core.metrics import metrics_for
from prefect_mlops.core.metrics.encoding import Label, class_order
from prefect_mlops.core.metrics.measuring import MINIMUM_ROWS
from prefect_mlops.core.splits import key_text
from prefect_mlops.core.studies.beside import Judged, compare_on, judged_rows, said_by
from prefect_mlops.core.trainers.fitted import Predictions

if TYPE_CHECKING:
    from prefect_mlops.core.metrics import Metric
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["compare_holdouts", "holdout_table"]

ROW, DAY, TARGET, SAID, CHANCE = "row", "day", "target", "said", "chance of "
PERSON = b"mlops-holdout"


def holdout_table(spec: ModelSpec, candidate: FittedModel, judging: pd.DataFrame, secret: bytes = b"") -> pd.DataFrame:
    """What a run keeps of its hold-out so that later runs can be held against it: no key and no feature in plain.

    A row is named by a hash of the model's name and the row's key. Without a secret, whoever can list all keys can
    find out which row is whose: give one where keys are personal, the same for all runs of the model.

    Args:
        spec: The model's spec.
        candidate: The model that was judged.
        judging: The judging rows.
        secret: Keys the hash; at most 64 bytes.

    Returns:
        One row a judging row: `row` (64 bits), `day` (days since 1970, where rows have a time), `target` and `said`
        (values, or places among the classes), and `chance of <class>` for each class, in their order.

    Raises:
        DataError: The rows have no key, or cannot be judged on.
    """
    judged = judged_rows(spec, judging, candidate.classes)
    said = said_by(candidate, judged)
    columns = {ROW: _names(spec, judging, secret)}
    if spec.data.time is not None:
        days = judging[spec.data.time].dt.tz_convert("UTC").dt.tz_localize(None)
        columns[DAY] = days.to_numpy().astype("datetime64[D]").astype(np.int32)
    columns |= {TARGET: judged.target, SAID: np.asarray(said.labels)}
    if said.probabilities is not None:
        columns |= {CHANCE + json.dumps(label): said.probabilities[:, at] for at, label in enumerate(judged.order)}
    return pd.DataFrame(columns)


def compare_holdouts(spec: ModelSpec, tables: Mapping[str, pd.DataFrame]) -> RunComparison:
    """Measure runs on the rows that were held out of all of them, and hold each against the first.

    No run learned from a row that it held out, so on the rows that all share none has an advantage. Rows whose label
    has changed between runs, and keys that stand there twice, are left out. The intervals of the differences of one
    metric hold for all runs together (Bonferroni).

    Args:
        spec: The model's spec.
        tables: What `holdout_table` gave, by run; the first run is what the others are held against.

    Raises:
        DataError: There are fewer than two runs, a table is of another problem, or the shared rows are too few.
    """
    if len(tables) < 2:
        raise DataError(f"{len(tables)} run(s) cannot be compared", "Name two different runs or more")
    classes = {run: _classes(table) for run, table in tables.items()}
    _refuse_strangers(spec, tables, classes)
    order = class_order(spec, *classes.values())
    single = {run: table.drop_duplicates(ROW, keep=False).set_index(ROW) for run, table in tables.items()}
    shared = reduce(lambda left, right: left.intersection(right, sort=True), (one.index for one in single.values()))
    coded = {run: _coded(single[run].loc[shared], classes[run], order) for run in tables}
    truths = np.stack([target for target, _ in coded.values()])
    same = (truths == truths[0]).all(axis=0)
    rows = int(same.sum())
    if rows < MINIMUM_ROWS:
        held = ", ".join(f"{run} holds {len(table):,}" for run, table in tables.items())
        raise DataError(
            f"The runs share {rows:,} hold-out rows, and {MINIMUM_ROWS} are needed ({held})",
            "Compare runs of one model whose hold-outs overlap: a split by key or by group always holds the same rows "
            "out, a split by time does so for trainings of one period",
        )
    first = single[next(iter(tables))].loc[shared][same]
    blocks = first[DAY].to_numpy() if DAY in first else None
    judged = Judged(first, order, truths[0][same], blocks)
    said = {run: _kept(predictions, same) for run, (_, predictions) in coded.items()}
    values = [value for metric in metrics_for(spec.target.problem) for value in _values(metric, judged, said)]
    return RunComparison(
        model=spec.name,
        runs=tuple(tables),
        rows=rows,
        left_out={run: len(table) - rows for run, table in tables.items()},
        changed=len(shared) - rows,
        values=tuple(values),
    )


def _names(spec: ModelSpec, rows: pd.DataFrame, secret: bytes) -> np.ndarray:
    texts = (f"{spec.name} {text}".encode("utf-8", "surrogatepass") for text in key_text(rows, spec.data.key))
    digests = b"".join(hashlib.blake2b(text, digest_size=8, person=PERSON, key=secret).digest() for text in texts)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _classes(table: pd.DataFrame) -> tuple[Label, ...]:
    return tuple(json.loads(name.removeprefix(CHANCE)) for name in table.columns if name.startswith(CHANCE))


def _refuse_strangers(
    spec: ModelSpec, tables: Mapping[str, pd.DataFrame], classes: Mapping[str, tuple[Label, ...]]
) -> None:
    for run, table in tables.items():
        lacking = [name for name in (ROW, TARGET, SAID) if name not in table.columns]
        if lacking or bool(classes[run]) != (spec.target.problem != "regression"):
            why = f"lacks {', '.join(lacking)}" if lacking else f"is of no {spec.target.problem} problem"
            raise DataError(
                f"The hold-out of run {run} {why}", f"Compare runs that were trained from the spec of {spec.name}"
            )


def _coded(table: pd.DataFrame, classes: tuple[Label, ...], order: tuple[Label, ...]) -> tuple[np.ndarray, Predictions]:
    """Truth and predictions in the places of all classes together."""
    target, labels = table[TARGET].to_numpy(), table[SAID].to_numpy()
    if not order:
        return target, Predictions(labels, None)
    places = np.array([order.index(label) for label in classes])
    wide = np.zeros((len(table), len(order)))
    wide[:, places] = table[[CHANCE + json.dumps(label) for label in classes]].to_numpy()
    return places[target], Predictions(places[labels], wide)


def _kept(said: Predictions, same: np.ndarray) -> Predictions:
    return Predictions(said.labels[same], None if said.probabilities is None else said.probabilities[same])


def _values(metric: Metric, judged: Judged, said: Mapping[str, Predictions]) -> list[RunValue]:
    together = 1 - (1 - LEVEL) / (len(said) - 1)
    first = next(iter(said.values()))
    values = []
    for number, (run, predictions) in enumerate(said.items()):
        found = measurement_of(metric, judged.target, predictions, judged.blocks, "candidate")
        value = interval(estimate_of(found))
        advantage = None
        if number:
            gain = compare_on(judged, metric, predictions, first, "champion")
            advantage = interval(estimate_of(gain), together)
        values.append(RunValue(metric=metric.name, run=run, value=value, advantage=advantage))
    return values
