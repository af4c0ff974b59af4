"""The gate that looks for answers the model could have known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from prefect_mlops.core.evidence import Check, Evidence, Examination, Verdict
from prefect_mlops.core.gates.alarms import limit_verdict
from prefect_mlops.core.gates.scored import Scored, gate_digest
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

__all__ = ["NoLeakage"]

MOST_ROWS = 2_000
"""Enough to tell a column that ranks 99.5% of pairs rightly from an honest one."""
NAMED = 5
TWINS_CURE = (
    "leave copies out of the data, or keep them on one side with `split: {kind: by-group}`; where they are no copies, "
    "raise `max_twins` of the gate."
)


class NoLeakage(Frozen):
    """No row judges that was learned from, no training row is later than the judging ones, and no column is the target.

    What it finds are facts, not samples, so nothing is tested and nothing corrected. Equal rows on both sides come by
    chance where features are coarse; `max_twins` says how many beyond those are no leak.
    """

    kind: Literal["no-leakage"] = "no-leakage"
    family: Literal["limit"] = "limit"
    max_twins: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of judging rows that may equal a training row in features and target, beyond chance.",
        ),
    ] = 0.05
    strength: Annotated[
        float,
        Field(gt=0.5, le=1, description="Area under the curve (or R²) from which on one column alone is the target."),
    ] = 0.995

    @property
    def metrics(self) -> tuple[str, ...]:
        """None: it looks at rows and columns."""
        return ()

    def examine(self, scored: Scored) -> Examination:
        """Look at the split, at times, and at every feature alone."""
        checks = [*self._columns(scored)]
        if scored.training is not None:
            checks += [*self._rows(scored, scored.training), *_times(scored, scored.training)]
        return Examination(gate=gate_digest(self), checks=tuple(checks))

    def judge(self, evidence: Evidence) -> Verdict:
        """Fail where something is known beforehand."""
        return limit_verdict(self.kind, "", evidence.examined(gate_digest(self)))

    def _columns(self, scored: Scored) -> Iterator[Check]:
        """Each feature alone, asked what it tells: those that tell too much, or the one that tells most."""
        import numpy as np

        from prefect_mlops.core.survey.problem import Posed
        from prefect_mlops.core.survey.strength import lone_strength

        spec, rows, y = scored.spec, scored.rows.reset_index(drop=True), scored.y
        if len(rows) > MOST_ROWS:
            kept = np.sort(np.random.default_rng(scored.seed).choice(len(rows), MOST_ROWS, replace=False))
            rows, y = rows.iloc[kept].reset_index(drop=True), y[kept]
        if len(np.unique(y)) < 2:
            yield Check(name="columns", rows=len(y), reason="All rows have one target, of which no column can tell.")
            return
        posed = Posed(spec.target.problem, None, y, scored.order)
        measure = "area under the curve" if scored.order else "R²"
        strengths = {
            name: lone_strength(rows[name], posed, identifier=False, seed=scored.seed)[0]
            for name in spec.features.names
        }
        most = max(strengths, key=lambda name: strengths[name])
        told = [name for name, found in strengths.items() if found > self.strength]
        for name in told or [most]:
            said = f"Column {name!r} alone tells the target with {measure} {strengths[name]:.4g}"
            cure = "; leave it out unless it is known when a prediction is made." if told else ", no other more."
            yield Check(name=name, value=strengths[name], bound=self.strength, rows=len(y), reason=said + cure)

    def _rows(self, scored: Scored, training: pd.DataFrame) -> Iterator[Check]:
        """Rows on both sides of the split."""
        from prefect_mlops.core.splits.overlap import overlap, twins_by_chance

        spec, rows = scored.spec, scored.rows
        shared = overlap(training, rows, spec.data.key, spec.features.names, spec.target.column)
        named = _named(scored, shared.same_key)
        yield Check(
            name="rows that judge and teach",
            value=float(len(shared.same_key)),
            bound=0.0,
            rows=len(rows),
            reason=f"{len(shared.same_key):,} of {len(rows):,} judging rows have a key that stands in training{named}.",
        )
        share, bound = shared.shares[2], self.max_twins
        said = f"{share:.2%} of judging rows equal a training row, target too ({bound:.0%} may"
        if share > bound:
            chance = twins_by_chance(training, rows, [*spec.features.names, spec.target.column])
            bound = min(1.0, bound + chance)
            said += f", and up to {chance:.2%} do by chance"
        cure = f"; {TWINS_CURE}" if share > bound else "."
        yield Check(
            name="rows with a twin in training", value=share, bound=bound, rows=len(rows), reason=f"{said}){cure}"
        )


def _times(scored: Scored, training: pd.DataFrame) -> Iterator[Check]:
    """Training rows later than the first judging one, where the split is by time and keeps them apart."""
    from prefect_mlops.core.splits import ByTime

    time, split = scored.spec.data.time, scored.spec.split
    if time is None or not isinstance(split, ByTime):
        return
    if "champion" not in scored.said and not split.embargo_days:
        # Without a champion the reference judges, a random part of the same time.
        return
    first = scored.rows[time].min()
    late = (training[time] > first).to_numpy()
    said = f"{int(late.sum()):,} training rows are later than {first.isoformat()}, the first that judges."
    yield Check(name="training later than judging", value=float(late.sum()), bound=0.0, rows=len(late), reason=said)


def _named(scored: Scored, found: np.ndarray) -> str:
    """The first keys among some rows, unless they are personal."""
    key = scored.spec.data.key
    if not len(found) or set(key) & set(scored.spec.data.personal):
        return ""
    rows = scored.rows.iloc[found[:NAMED]]
    told = ", ".join("/".join(str(value) for value in row) for row in rows[[*key]].itertuples(index=False))
    return f", such as {told}"
