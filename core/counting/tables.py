"""A batch, wherever it lies: counted by Polars without loading it whole, read by pandas column by column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prefect_mlops.core.counting.columns import Column, kind_of, unit_of
from prefect_mlops.core.errors import DataError

__all__ = ["Table", "open_table"]

POSITION = "mlops_position"
READABLE = "a DataFrame of pandas or Polars, a LazyFrame, an Arrow table, or the path of Parquet files or a Delta table"


class Table(Protocol):
    """A batch that can be counted and read.

    Attributes:
        columns: Its columns, in order, under their names.
        plain: Whether nothing of it can be counted, such as a frame with two columns of one name.
    """

    columns: dict[str, Column]
    plain: bool

    def plan(self, names: Sequence[str]) -> pl.LazyFrame:
        """The columns for Polars to count; NaN is null there, as it is for pandas, and times are integers."""
        ...

    def frame(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """The columns, or all, as pandas reads them."""
        ...

    def rows_of(self, found: pl.DataFrame, dtypes: dict[str, Any]) -> pd.DataFrame:
        """A few rows as they stand in the whole pandas frame, under their positions as index."""
        ...


class Held:
    """A pandas frame in memory."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self.plain = not rows.columns.is_unique or not all(isinstance(name, str) for name in rows.columns)
        kinds = [] if self.plain else zip(rows.columns, rows.dtypes, strict=True)
        self.columns = {name: Column(name, dtype, kind_of(dtype), settled=True) for name, dtype in kinds}
        self._converted: dict[str, pl.Series] = {}

    def plan(self, names: Sequence[str]) -> pl.LazyFrame:
        for name in names:
            if name not in self._converted:
                column = self.rows[name]
                if self.columns[name].kind == "time":
                    ticks = column.to_numpy(dtype=_naive(column.dtype)).view("int64")
                    self._converted[name] = pl.Series(name, ticks).replace(np.iinfo("int64").min, None)
                else:
                    self._converted[name] = pl.from_pandas(column, nan_to_null=False).rename(name)
        return _nan_is_null(pl.LazyFrame({name: self._converted[name] for name in names}), self.columns, names)

    def frame(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        return self.rows if names is None else self.rows[list(names)]

    def rows_of(self, found: pl.DataFrame, dtypes: dict[str, Any]) -> pd.DataFrame:
        del dtypes  # a frame's dtypes never change
        positions = found[POSITION].to_numpy()
        names = [name for name in found.columns if name != POSITION]
        return self.rows[names].iloc[positions].set_axis(positions)


class Scanned:
    """A plan of Polars: a LazyFrame, a frame, an Arrow table or a Delta table at one version."""

    def __init__(self, rows: pl.LazyFrame) -> None:
        schema = rows.collect_schema()
        self._rows = rows
        self.plain = False
        self.columns = _columns(pl.DataFrame(schema=schema).to_arrow().schema, dict(schema))

    def plan(self, names: Sequence[str]) -> pl.LazyFrame:
        times = [pl.col(name).to_physical() for name in names if self.columns[name].kind == "time"]
        return _nan_is_null(self._rows.select(names).with_columns(times), self.columns, names)

    def frame(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        kept = self._rows if names is None else self._rows.select(names)
        frame: pd.DataFrame = kept.collect(engine="streaming").to_arrow().to_pandas()
        return frame

    def rows_of(self, found: pl.DataFrame, dtypes: dict[str, Any]) -> pd.DataFrame:
        columns = {name: _as_pandas(found[name], dtypes[name]) for name in found.columns if name != POSITION}
        return pd.DataFrame(columns).set_axis(found[POSITION].to_numpy())


class Filed(Scanned):
    """Parquet files, read by pandas as `pandas.read_parquet` reads them."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        try:
            schema = pq.read_schema(files[0])
            self._rows = pl.scan_parquet(files)
            seen = dict(self._rows.collect_schema())
        except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
            raise _unreadable(files, error) from error
        self.columns = _columns(schema, seen)
        self.plain = not set(self.columns) <= set(seen)  # pandas was told to name them otherwise

    def frame(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        wanted = None if names is None else list(names)
        try:
            tables = [pq.read_table(file, columns=wanted) for file in self._files]
            frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(self._files, error) from error
        return frame


def open_table(rows: Any) -> Table:
    """A batch that can be counted and read, from whatever holds it.

    Args:
        rows: A DataFrame of pandas or Polars, a LazyFrame (such as `pl.scan_delta(path, version=3)`), an Arrow table,
            or the path of a Parquet file, of a folder of them, or of a Delta table, whose newest version is taken.

    Raises:
        DataError: It is none of these, or there is nothing that can be read.
    """
    if isinstance(rows, pd.DataFrame):
        return Held(rows)
    if isinstance(rows, pa.Table):
        rows = pl.from_arrow(rows)
    if isinstance(rows, (pl.DataFrame, pl.LazyFrame)):
        return Scanned(rows.lazy())
    if not isinstance(rows, (str, Path)):
        raise DataError(f"A {type(rows).__name__} cannot be validated", f"Give {READABLE}")
    return _opened(Path(rows))


def _opened(path: Path) -> Table:
    if (path / "_delta_log").is_dir():
        return Scanned(pl.scan_delta(path))
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise DataError(f"There are no rows at {path}", f"Give {READABLE}")
    return Filed(files)


def _columns(schema: pa.Schema, seen: dict[str, pl.DataType]) -> dict[str, Column]:
    """The columns as pandas would hold them, read off an empty table of the same schema."""
    columns = {}
    for name, dtype in schema.empty_table().to_pandas().dtypes.items():
        kind = kind_of(dtype)
        held = seen.get(str(name))
        if kind == "time" and not (isinstance(held, pl.Datetime) and held.time_unit == unit_of(dtype)):
            kind = "other"  # Polars has converted it
        columns[str(name)] = Column(str(name), dtype, kind, settled=kind not in ("integer", "boolean"))
    return columns


def _nan_is_null(plan: pl.LazyFrame, columns: dict[str, Column], names: Sequence[str]) -> pl.LazyFrame:
    return plan.with_columns(pl.col(name).fill_nan(None) for name in names if columns[name].kind == "float")


def _as_pandas(values: pl.Series, dtype: Any) -> pd.Series[Any]:
    if isinstance(dtype, pd.StringDtype):
        return pd.Series(values.to_list(), dtype=dtype)
    if values.dtype == pl.Int64 and dtype.kind == "M":
        ticks = pd.Series(values.fill_null(np.iinfo("int64").min).to_numpy().view(_naive(dtype)))
        return ticks.dt.tz_localize("UTC").dt.tz_convert(dtype.tz) if hasattr(dtype, "tz") else ticks
    plain: pd.Series[Any] = values.to_arrow().to_pandas()
    return plain.astype(dtype)


def _naive(dtype: Any) -> np.dtype[Any]:
    return np.dtype(f"M8[{unit_of(dtype)}]")


def _unreadable(files: Sequence[Path], error: Exception) -> DataError:
    said = " ".join(str(error).split())[:200]
    return DataError(f"{files[0]} is no Parquet file that can be read ({said})", "Write it again and drop it anew")
