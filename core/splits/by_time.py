"""A split by time: the past teaches, the newest days judge."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.splits.checks import aware, dated, newest, refuse_empty, rows_until
from prefect_mlops.core.splits.keys import held_out, key_text
from prefect_mlops.core.splits.sets import Fold, RowSets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["ByTime"]


class ByTime(Frozen):
    """Judge on the newest days, which neither model learned from; hold a random share of the rest as reference."""

    kind: Literal["by-time"] = "by-time"
    judge_days: Annotated[int, Field(gt=0, description="Days before the window's end that judge a candidate.")] = 10
    reference_share: Annotated[float, Field(gt=0, lt=0.9, description="Share of the older rows kept as reference.")] = (
        0.2
    )
    embargo_days: Annotated[
        float, Field(ge=0, description="Days between the last row that taught and the first that judges, left out.")
    ] = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at beside key and time: none."""
        return ()

    def split(
        self, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, as_of: datetime, after: datetime | None
    ) -> RowSets:
        """Split labelled rows, whatever their order; rows newer than `as_of` are left out.

        An embargo is for rows whose neighbours in time tell of each other, such as a feature that sums up the last
        two days: rows within it are in no set.

        Args:
            rows: Labelled rows with their key and time columns.
            key: The columns that name a row.
            time: The column that says when a row happened, with a time zone.
            as_of: The end of the window, with a time zone, itself within it.
            after: The champion's own cut-off; None without a champion. Then, unless there is an embargo, nothing
                newer needs to be kept for a comparison, the model learns from all times, and the reference judges it.

        Returns:
            With a champion or an embargo, every judging row is newer than `cutoff` and than `after`, by more than
            the embargo. A row falls to the reference by a hash of its key, in this training and in every later one.

        Raises:
            DataError: No time column or no time zone, a missing time, a key that stands there twice, or an empty set.
        """
        if time is None:
            raise DataError("A split by time needs a time column", "Name it as data.time in the spec, or split by-key")
        seen = rows_until(rows, key, time, as_of)
        apart, embargo = after is not None or self.embargo_days > 0, timedelta(days=self.embargo_days)
        start = self.judged_after(as_of, after)
        older = seen[seen[time] <= start - embargo]
        held = held_out(key_text(older, key), self.reference_share)
        training, reference = older[~held], older[held]
        judging = seen[seen[time] > start] if apart else reference
        period = "older than the judging days" if apart else f"up to {as_of.isoformat()}"
        refuse_empty(training, f"No rows {period} are left to learn from", "Load more history before training")
        refuse_empty(
            reference,
            f"None of {len(older):,} rows {period} falls to the reference",
            "Load more history, or raise split.reference_share",
        )
        refuse_empty(
            judging,
            f"No labelled row is newer than {start.isoformat()}, up to which the champion or the candidate learned",
            "Wait for labels of newer rows, or raise split.judge_days",
        )
        if not apart:
            judged_on = f"a random {self.reference_share:.0%} of {len(older):,} rows up to {_day(older[time].max())}"
        else:
            days = judging[time].dt.tz_convert("UTC").dt.floor("D").nunique()
            gap = f", after an embargo of {self.embargo_days:g} days" if self.embargo_days else ""
            judged_on = f"{days} days from {_day(judging[time].min())}{gap}"
        return RowSets(training, reference, judging, judged_on, newest(older, time))

    def judged_after(self, as_of: datetime, after: datetime | None) -> datetime:
        """The time after which rows judge; `as_of` where the reference does. Training ends an embargo before it."""
        if after is None:
            return as_of - timedelta(days=self.judge_days if self.embargo_days > 0 else 0)
        return max(as_of - timedelta(days=self.judge_days), aware(after, "after") + timedelta(days=self.embargo_days))

    def folds(
        self, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, count: int, seed: int = 0
    ) -> tuple[Fold, ...]:
        """Folds of a window that grows: each later part is judged by what all older parts taught.

        The rows fall into `count + 1` parts of about the same size by their time; rows of one moment stay together.
        The oldest part only teaches. No row teaches within the embargo before the first that judges.

        Args:
            rows: Training rows, in any order.
            key: Of no use here.
            time: The column that says when a row happened, with a time zone.
            count: How many folds, at least 1.
            seed: Of no use here: time leaves nothing to chance.

        Raises:
            DataError: No time column or no time zone, a missing time, or a fold without rows on a side.

        Examples:
            Six rows in three parts: two rows judge what the two older ones taught, then two what four taught.

            >>> import pandas as pd
            >>> rows = pd.DataFrame({"at": pd.date_range("2013-01-01", periods=6, tz="UTC")})
            >>> for fold in ByTime().folds(rows, key=("id",), time="at", count=2):
            ...     print(fold.training, fold.judging)
            [0 1] [2 3]
            [0 1 2 3] [4 5]
        """
        del key, seed
        import numpy as np

        if time is None:
            raise DataError("Folds by time need a time column", "Name it as data.time in the spec, or split by-key")
        times = dated(rows, time)
        place = (times.rank(method="min").to_numpy(dtype=np.float64) - 1) / max(len(rows), 1)
        part = (place * (count + 1)).astype(np.int64)
        made = []
        for number in range(1, count + 1):
            judging = part == number
            first = times[judging].min()
            training = part < number
            if self.embargo_days and judging.any():
                training &= (times <= first - timedelta(days=self.embargo_days)).to_numpy(dtype=bool)
            if not judging.any() or not training.any():
                side = "learn from" if judging.any() else "judge on"
                raise DataError(
                    f"Fold {number} of {count} has no rows to {side}: {len(rows):,} rows hold "
                    f"{times.nunique():,} different times, and the embargo is {self.embargo_days:g} days",
                    "Ask for fewer folds, load more history, or shorten split.embargo_days",
                )
            made.append(Fold(np.flatnonzero(training), np.flatnonzero(judging)))
        return tuple(made)


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
