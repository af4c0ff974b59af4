"""A split by key: a hash of what names a row decides, once and for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.splits.checks import newest, refuse_empty, rows_until
from prefect_mlops.core.splits.keys import column_text, dealt, held_out, key_hashes, key_text
from prefect_mlops.core.splits.sets import Fold, RowSets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import numpy as np
    import pandas as pd

__all__ = ["ByKey"]


class ByKey(Frozen):
    """Hold out a share of the rows by a hash of their key: a row once held out is never trained on."""

    kind: Literal["by-key"] = "by-key"
    judge_share: Annotated[float, Field(gt=0, lt=0.9, description="Share of rows that judge a candidate.")] = 0.25
    stratify: Annotated[
        str | None, Field(description="A column, such as the target, whose every value must stand on both sides.")
    ] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at beside key and time."""
        return () if self.stratify is None else (self.stratify,)

    def split(
        self, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, as_of: datetime, after: datetime | None
    ) -> RowSets:
        """Split labelled rows, whatever their order; rows newer than `as_of` are left out where rows have a time.

        With `stratify`, each value's share of held-out rows is `judge_share` in expectation and not to the row: exact
        strata would have to move rows from one side to the other as new ones come, and a row once held out could be
        trained on. What is exact is that every value stands on both sides.

        Args:
            rows: Labelled rows with their key columns.
            key: The columns that name a row.
            time: The column that says when a row happened, with a time zone; None where rows have none.
            as_of: The end of the window, with a time zone, itself within it.
            after: The champion's own cut-off. It changes nothing: no champion ever learned from a held-out row.

        Returns:
            The held-out rows are both reference and judging rows.

        Raises:
            DataError: A time without a zone, a missing time, a key that stands there twice, an empty set, or a
                value of the `stratify` column that stands on one side only.
        """
        del after
        seen = rows_until(rows, key, time, as_of)
        held = held_out(key_text(seen, key), self.judge_share)
        training, judging = seen[~held], seen[held]
        refuse_empty(training, f"None of {len(seen):,} rows is left to learn from", "Load more rows before training")
        refuse_empty(
            judging,
            f"None of {len(seen):,} rows falls to the judging set",
            "Load more rows, or raise split.judge_share",
        )
        if self.stratify is not None:
            self._refuse_lonely(column_text(seen, self.stratify, "split.stratify"), held)
        judged_on = f"a fixed {self.judge_share:.0%} of {len(seen):,} rows by key"
        return RowSets(training, judging, judging, judged_on, newest(seen, time))

    def folds(
        self, rows: pd.DataFrame, *, key: Sequence[str], time: str | None, count: int, seed: int = 0
    ) -> tuple[Fold, ...]:
        """Folds by a hash of each row's key, whatever the order of the rows; every row judges once.

        With `stratify` each value's rows are dealt out in the order of their hashes, so that the folds differ by one
        row a value at most. Without it a row's fold depends on nothing but its key, `count` and `seed`.

        Args:
            rows: Training rows.
            key: The columns that name a row.
            time: Of no use here.
            count: How many folds, at least 2.
            seed: Another number deals otherwise.

        Raises:
            DataError: A key or stratum is missing, a fold would be empty, or a value of the `stratify` column has
                fewer rows than there are folds.

        Examples:
            >>> import pandas as pd
            >>> rows = pd.DataFrame({"id": range(6), "y": list("aabbbb")})
            >>> [len(fold.judging) for fold in ByKey(stratify="y").folds(rows, key=("id",), time=None, count=2)]
            [3, 3]
        """
        del time
        import numpy as np

        hashes = key_hashes(key_text(rows, key), seed)
        if self.stratify is None:
            return dealt((hashes % np.uint64(count)).astype(np.int64), count, "rows")
        strata = column_text(rows, self.stratify, "split.stratify")
        sizes = strata.value_counts()
        if not sizes.empty and sizes.min() < count:
            raise DataError(
                f"{sizes.idxmin()!r} in column {self.stratify!r} has {sizes.min():,} rows, of which {count} folds need "
                "one each",
                "Ask for fewer folds, load more such rows, or leave the value out",
            )
        # One deal goes on from value to value, so that what is left over does not always fall to the first folds.
        order = np.lexsort((hashes, strata.to_numpy(dtype=str)))
        part = np.empty(len(rows), dtype=np.int64)
        part[order] = np.arange(len(rows)) % count
        return dealt(part, count, "rows")

    def _refuse_lonely(self, strata: pd.Series, held: np.ndarray) -> None:
        for side, there in (("trained on", set(strata[~held])), ("held out", set(strata[held]))):
            lonely = strata[~strata.isin(there)].value_counts()
            if not lonely.empty:
                raise DataError(
                    f"No row of {lonely.index[0]!r} in column {self.stratify!r} would be {side}, of {lonely.iloc[0]:,}",
                    "Load more such rows, leave the value out, or change split.judge_share",
                )
