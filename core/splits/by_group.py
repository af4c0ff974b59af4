"""A split by group: all rows of one customer, store or device stand on one side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.splits.checks import newest, refuse_empty, rows_until
from prefect_mlops.core.splits.keys import column_text, dealt, held_out, key_hashes
from prefect_mlops.core.splits.sets import Fold, RowSets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

__all__ = ["ByGroup"]


class ByGroup(Frozen):
    """Hold out a share of the groups by a hash of their name: a group once held out is never trained on."""

    kind: Literal["by-group"] = "by-group"
    group: Annotated[str, Field(min_length=1, description="The column whose values are the groups.")]
    judge_share: Annotated[float, Field(gt=0, lt=0.9, description="Share of groups that judge a candidate.")] = 0.25

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at beside key and time."""
        return (self.group,)

    def split(
        self, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, as_of: datetime, after: datetime | None
    ) -> RowSets:
        """Split labelled rows, whatever their order; rows newer than `as_of` are left out where rows have a time.

        A group's side depends on its name alone, so new rows and new groups move none. The share is one of groups:
        where they differ much in size, that of the rows differs from it, and `judged_on` says both.

        Args:
            rows: Labelled rows with their key and group columns.
            key: The columns that name a row.
            time: The column that says when a row happened, with a time zone; None where rows have none.
            as_of: The end of the window, with a time zone, itself within it.
            after: The champion's own cut-off. It changes nothing: no champion ever learned from a held-out group.

        Returns:
            The held-out rows are both reference and judging rows.

        Raises:
            DataError: A missing group, one group that is everything, an empty set, a time without a zone, a missing
                time, or a key that stands there twice.
        """
        del after
        seen = rows_until(rows, key, time, as_of)
        groups = column_text(seen, self.group, "split.group")
        names = groups.unique()
        if len(names) == 1:
            raise DataError(
                f"All {len(seen):,} rows are of one group in column {self.group!r}, which cannot stand on two sides",
                "Load rows of other groups, or split by-key or by-time",
            )
        out = {name for name, held in zip(names, held_out(names, self.judge_share), strict=True) if held}
        held = groups.isin(out).to_numpy(dtype=bool)
        training, judging = seen[~held], seen[held]
        refuse_empty(
            training, f"None of {len(names):,} groups is left to learn from", "Load more groups before training"
        )
        refuse_empty(
            judging,
            f"None of {len(names):,} groups falls to the judging set",
            "Load more groups, or raise split.judge_share",
        )
        counted = f"{len(out):,} of {len(names):,} groups by {self.group}"
        judged_on = f"{counted}, {len(judging):,} of {len(seen):,} rows"
        return RowSets(training, judging, judging, judged_on, newest(seen, time))

    def folds(
        self, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, count: int, seed: int = 0
    ) -> tuple[Fold, ...]:
        """Folds of whole groups, whatever the order of the rows; every row judges once.

        The largest group goes first, each to the fold with the fewest rows so far.

        Args:
            rows: Training rows with their group column.
            key: Of no use here.
            time: Of no use here.
            count: How many folds, at least 2.
            seed: Another number deals groups of one size otherwise.

        Raises:
            DataError: A group is missing, or there are fewer groups than folds.

        Examples:
            >>> import pandas as pd
            >>> rows = pd.DataFrame({"store": list("aaabbc")})
            >>> [fold.judging.tolist() for fold in ByGroup(group="store").folds(rows, key=(), time=None, count=2)]
            [[0, 1, 2], [3, 4, 5]]
        """
        del key, time
        import numpy as np

        groups = column_text(rows, self.group, "split.group")
        sizes = groups.value_counts()
        if len(sizes) < count:
            raise DataError(
                f"{len(sizes):,} groups in column {self.group!r} give no {count} folds",
                "Ask for fewer folds, or load rows of more groups",
            )
        order = np.lexsort((key_hashes(sizes.index, seed), -sizes.to_numpy()))
        loads, fold_of = np.zeros(count, dtype=np.int64), {}
        for place in order:
            fold_of[sizes.index[place]] = fold = int(loads.argmin())
            loads[fold] += sizes.iloc[place]
        return dealt(groups.map(fold_of).to_numpy(dtype=np.int64), count, "groups")
