"""The gate that compares how groups of people are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from prefect_mlops.core.errors import PartError
from prefect_mlops.core.evidence import Check, Evidence, Examination, Verdict
from prefect_mlops.core.gates.alarms import alarm_verdict, level_of_one
from prefect_mlops.core.gates.scored import Scored, gate_digest
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import numpy as np

    from prefect_mlops.core.scans.losses import Judging
    from prefect_mlops.core.scans.slicing import Sliced

__all__ = ["FairAcross"]

MOST_GROUPS = 20


class FairAcross(Frozen):
    """No two groups are answered so differently that a gap beyond the one allowed is proved.

    The gap itself is fairlearn's. The largest of several gaps is above zero by chance alone and has no interval of
    its own, so every pair of groups has a test and an interval that hold for all pairs together.

    References:
        Hardt, Price and Srebro (2016), Equality of Opportunity in Supervised Learning, NeurIPS 29.
    """

    kind: Literal["fair-across"] = "fair-across"
    family: Literal["alarm"] = "alarm"
    column: Annotated[str, Field(min_length=1, description="The column that tells the groups apart.")]
    criterion: Annotated[
        Literal["demographic-parity", "equalised-odds", "equal-opportunity"],
        Field(
            description="Whose rates must be alike: all rows said positive, those among the truly positive and the "
            "truly negative, or those among the truly positive only."
        ),
    ] = "demographic-parity"
    max_gap: Annotated[float, Field(ge=0, lt=1, description="The gap between two groups' rates that is no alarm.")] = (
        0.1
    )
    bins: Annotated[int, Field(ge=2, le=20, description="Quantile bins of a column of numbers.")] = 4
    minimum_rows: Annotated[int, Field(ge=20, description="Rows without which a group is left out.")] = 100

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The column that the judging rows must have, be it a feature or not."""
        return (self.column,)

    @property
    def metrics(self) -> tuple[str, ...]:
        """None: it looks at the rows themselves."""
        return ()

    def examine(self, scored: Scored) -> Examination:
        """Compare every two groups.

        Raises:
            PartError: fairlearn is not installed.
        """
        from prefect_mlops.core.scans.losses import judging
        from prefect_mlops.core.scans.slicing import slice_rows

        digest = gate_digest(self)
        if scored.spec.target.problem != "binary":
            reason = (
                f"{self.criterion} is defined for two classes, and this is a {scored.spec.target.problem} problem; "
                "holds-on-slices compares a metric between groups."
            )
            return Examination(gate=digest, reason=reason)
        rows = judging(scored)
        if isinstance(rows, str):
            return Examination(gate=digest, reason=f"The groups cannot be compared: {rows}.")
        cut = slice_rows(
            scored.rows.iloc[rows.kept],
            (self.column,),
            categories=scored.spec.features.category,
            bins=self.bins,
            minimum_rows=self.minimum_rows,
            most=MOST_GROUPS,
        )
        if self.column in scored.spec.data.personal:
            cut = _unnamed(cut, self.column)
        aside = tuple(Check(name=one.name, rows=one.rows, reason=one.reason) for one in cut.aside)
        if len(cut.slices) < 2:
            held = f"{self.column} has {len(cut.slices)} group" + ("s" if len(cut.slices) != 1 else "")
            told = f" ({aside[-1].reason})" if aside else ""
            reason = f"{held} of {self.minimum_rows} rows or more, and a comparison takes two{told}."
            return Examination(gate=digest, checks=aside, reason=reason)
        return self._compared(digest, scored, rows, cut, aside)

    def judge(self, evidence: Evidence) -> Verdict:
        """Fail where a gap is proved too large, and name the groups."""
        return alarm_verdict(self.kind, self.criterion, evidence.examined(gate_digest(self)))

    def _compared(
        self, digest: str, scored: Scored, rows: Judging, cut: Sliced, aside: tuple[Check, ...]
    ) -> Examination:
        from prefect_mlops.core.scans.rates import Asked, gaps

        asked = Asked(cut.slices, self._conditions(rows), self.max_gap, level_of_one(scored.spec), scored.seed)
        checks = gaps(rows, asked)
        told = any(check.p_value is not None for check in checks)
        reason = self._difference(rows, cut) if told else ""
        return Examination(gate=digest, checks=(*checks, *aside), reason=reason)

    def _conditions(self, rows: Judging) -> tuple[tuple[str, np.ndarray], ...]:
        """Which rows each rate is a share of."""
        import numpy as np

        positives = ("true positive rate", rows.y == 1)
        if self.criterion == "demographic-parity":
            return (("selection rate", np.ones(len(rows.y), dtype=bool)),)
        if self.criterion == "equal-opportunity":
            return (positives,)
        return positives, ("false positive rate", rows.y == 0)

    def _difference(self, rows: Judging, cut: Sliced) -> str:
        """The largest gap among all groups, as fairlearn defines it, in a sentence."""
        import numpy as np

        try:
            from fairlearn import metrics as fairlearn
        except ImportError as error:
            reason = "its definitions are fairlearn's; install it with `pip install 'prefect-mlops[fairness]'`"
            raise PartError(self.kind, reason) from error
        name, function = {
            "demographic-parity": ("demographic parity", fairlearn.demographic_parity_difference),
            "equalised-odds": ("equalised odds", fairlearn.equalized_odds_difference),
            "equal-opportunity": ("equal opportunity", fairlearn.equal_opportunity_difference),
        }[self.criterion]
        of_group = np.full(len(rows.y), -1)
        for number, group in enumerate(cut.slices):
            of_group[group.rows] = number
        held = of_group >= 0
        # One row a group, truth and answer, weighing as much as its rows: fairlearn makes an object of every row.
        cell = 4 * of_group[held] + 2 * rows.y[held] + rows.said["candidate"].labels[held]
        counts = np.bincount(cell, weights=None if rows.weight is None else rows.weight[held])
        cells = np.flatnonzero(counts)
        difference = function(
            cells // 2 % 2, cells % 2, sensitive_features=cells // 4, sample_weight=counts[cells].astype(np.float64)
        )
        return f"The {name} difference over {len(cut.slices)} groups is {difference:.4g}."


def _unnamed(cut: Sliced, column: str) -> Sliced:
    """Groups by their size, since a personal column's values may not be named."""
    slices = tuple(
        group._replace(name=f"{column}, group {number} by size") for number, group in enumerate(cut.slices, start=1)
    )
    small = [one for one in cut.aside if one.rows]
    told = [one for one in cut.aside if not one.rows]
    if small:
        few = sum(one.rows for one in small)
        told.append(small[0]._replace(name=f"{column}, small groups", rows=few, reason=f"{few:,} rows in small groups"))
    return cut._replace(slices=slices, aside=tuple(told))
