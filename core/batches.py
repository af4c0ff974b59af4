"""How a batch of rows becomes the columns of a table, without a single value changing on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prefect_mlops.core.columns import arrow_column
from prefect_mlops.core.errors import DataError, SchemaMismatch

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["as_columns", "as_frame", "as_texts", "fit_columns", "plain_type"]

DIGITS = 38
"""How many digits a decimal of a Delta table has at most."""
EXACT = 2**53
"""Up to here every whole number is a float."""


def as_columns(frame: pd.DataFrame, batch: str) -> pa.Table:
    """The rows as plain Arrow columns; the index is left out.

    Text is one type however pandas held it, times are microseconds in UTC, a category is its value, NaN is a null,
    and so is a key that a dictionary lacks and others have. Nothing is rounded or guessed: what cannot be held as it
    is, is refused.

    Args:
        frame: At least one row.
        batch: The batch's name, for messages.

    Raises:
        DataError: There are no rows or no columns, a column's name is no text or stands there twice, its values are
            of several types or of one that no table holds, or its times have no zone or are finer than a microsecond.

    Examples:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"a": [1, 2], "at": pd.to_datetime(["2013-01-01", "2013-01-02"], utc=True)})
        >>> [str(kind) for kind in as_columns(rows[1:], "b").schema.types]
        ['int64', 'timestamp[us, tz=UTC]']
    """
    import pyarrow as pa

    if frame.empty:
        raise DataError(f"Batch {batch!r} has no rows", "Append at least one row")
    odd = [repr(name) for name in frame.columns if not _is_name(name)]
    if odd:
        raise DataError(f"Batch {batch!r} has columns whose name is no text: {', '.join(odd)}", "Rename them")
    twice = sorted(set(frame.columns[frame.columns.duplicated()]))
    if twice:
        raise DataError(f"Batch {batch!r} has columns that stand there twice: {', '.join(twice)}", "Send each once")
    columns = {}
    for name in frame.columns:
        try:
            column = arrow_column(frame[name])
        except ValueError as error:
            raise DataError(
                f"Column {name!r} of batch {batch!r} holds values of several types, or of one that no table holds "
                f"({error})",
                f"Give it one type before, for example frame[{name!r}].astype('string')",
            ) from error
        columns[name] = _plain(column, name, batch)
    return pa.table(columns)


def as_frame(rows: pa.Table) -> pd.DataFrame:
    """The rows as pandas holds them, without a number changing.

    Pandas holds whole numbers beside nulls as floats, which are exact up to 2**53: where there are larger ones, the
    column is `Int64`.

    Examples:
        >>> import pyarrow as pa
        >>> frame = as_frame(pa.table({"a": [1, None], "b": [2**53 + 1, None]}))
        >>> [str(kind) for kind in frame.dtypes], int(frame["b"][0]) - 2**53
        (['float64', 'Int64'], 1)
    """
    import pandas as pd
    import pyarrow as pa

    frame: pd.DataFrame = rows.to_pandas()
    for name in rows.schema.names:
        if rows.schema.field(name).type == pa.int64() and rows[name].null_count and not _is_exact_as_float(rows[name]):
            frame[name] = rows[name].to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def as_texts(frame: pd.DataFrame) -> pa.Table:
    """The rows as columns of text, which any rows can become; nulls stay nulls.

    Examples:
        >>> import pandas as pd
        >>> as_texts(pd.DataFrame([[1, None], ["x", 2.5]], columns=["a", "a"])).to_pydict()
        {'a': ['1', 'x'], 'a.1': [None, '2.5']}
    """
    import pyarrow as pa

    columns: dict[str, pa.Array] = {}
    for index, name in enumerate(map(str, frame.columns)):
        texts = frame.iloc[:, index].map(str, na_action="ignore").astype(object)
        columns[name if name not in columns else f"{name}.{index}"] = pa.array(texts, pa.string(), from_pandas=True)
    return pa.table(columns)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The one type that stands for all spellings of a kind of values: a Delta table knows no others.

    Examples:
        >>> import pyarrow as pa
        >>> str(plain_type(pa.large_string())), str(plain_type(pa.uint16())), str(plain_type(pa.int8()))
        ('string', 'int64', 'int8')
    """
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.list_(pa.field("element", plain_type(kind.value_type)))
    if types.is_struct(kind):
        return pa.struct([pa.field(field.name, plain_type(field.type)) for field in kind])
    if types.is_decimal(kind) and kind.precision <= DIGITS:
        return pa.decimal128(DIGITS, kind.scale)
    known = (
        (types.is_large_string, pa.string()),
        (types.is_string_view, pa.string()),
        (types.is_large_binary, pa.binary()),
        (types.is_binary_view, pa.binary()),
        (types.is_unsigned_integer, pa.int64()),
        (types.is_float16, pa.float32()),
        (types.is_date64, pa.date32()),
        (types.is_timestamp, pa.timestamp("us", getattr(kind, "tz", None) and "UTC")),
    )
    return next((plain for is_such, plain in known if is_such(kind)), kind)


def fit_columns(rows: pa.Table, known: pa.Schema, table: str) -> pa.Table:
    """The rows in the order and the types of a table.

    A Delta append casts in silence (750.5 becomes 750), so types are compared first. Only what loses nothing is
    cast: a column of nulls alone, a narrower number into a wider one, and whole numbers that pandas holds as
    floats because some are missing.

    Args:
        rows: From `as_columns`.
        known: The table's schema.
        table: The table's name, for messages.

    Raises:
        SchemaMismatch: A column is missing, unknown, or of another type.

    Examples:
        >>> import pyarrow as pa
        >>> known = pa.schema([("a", pa.int64())])
        >>> fit_columns(pa.table({"a": [1.0, None]}), known, "t").to_pydict()
        {'a': [1, None]}
        >>> fit_columns(pa.table({"a": [750.5]}), known, "t")
        Traceback (most recent call last):
        prefect_mlops.core.errors.SchemaMismatch: The batch does not fit table 't': a: the table has int64, the batch
        double. Nothing was written. Mend the batch's columns, or start a new table under another model name.
    """
    import pyarrow as pa

    types = {field.name: plain_type(field.type) for field in known}
    differences = [f"{name}: the batch lacks it" for name in types if name not in rows.schema.names]
    differences += [f"{name}: the table lacks it" for name in rows.schema.names if name not in types]
    columns = {}
    for name, kind in types.items():
        if name not in rows.schema.names:
            continue
        columns[name] = _widened(rows[name], kind)
        if columns[name] is None:
            differences.append(f"{name}: the table has {kind}, the batch {rows[name].type}")
    if differences:
        raise SchemaMismatch(table, tuple(differences))
    return pa.table(columns, schema=pa.schema(types))


def _plain(column: pa.ChunkedArray, name: str, batch: str) -> pa.ChunkedArray:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and column.null_count == len(column):
        return column.cast(pa.timestamp("us", "UTC"))
    parts = tuple(_parts(kind))
    if any(pa.types.is_timestamp(part) and part.tz is None for part in parts):
        raise DataError(
            f"The times in {name!r} of batch {batch!r} have no time zone",
            f"Say their zone in the spec (`data: {{timezone: ...}}`), or with frame[{name!r}].dt.tz_localize('UTC')",
        )
    if any(pa.types.is_null(part) for part in parts[1:]):
        raise DataError(
            f"The lists or dictionaries in {name!r} of batch {batch!r} hold no value that would tell their type",
            "Leave the column out, or give nulls instead",
        )
    if any(not _is_held(part) for part in parts):
        raise DataError(
            f"Column {name!r} of batch {batch!r} is of type {kind}, which no Delta table holds",
            f"Turn it into a number, for example frame[{name!r}].dt.total_seconds()",
        )
    try:
        return column.cast(plain_type(kind))
    except pa.ArrowException as error:
        raise DataError(
            f"Column {name!r} of batch {batch!r} would lose digits: it is {kind}, the table holds {plain_type(kind)}",
            "Round it before, for example times with .dt.round('us')",
        ) from error


def _widened(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """The column in another type, or None where that could lose something."""
    import pyarrow as pa

    held = column.type
    if held == kind:
        return column
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if pa.types.is_integer(held) and pa.types.is_integer(kind):
        wider = held.bit_width < kind.bit_width
    elif pa.types.is_floating(held) and pa.types.is_integer(kind):
        wider = column.null_count > 0
    else:
        wider = pa.types.is_floating(kind) and (
            pa.types.is_integer(held) or (pa.types.is_floating(held) and held.bit_width < kind.bit_width)
        )
    try:
        return column.cast(kind) if wider else None
    except pa.ArrowInvalid:
        return None


def _is_exact_as_float(column: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    bounds = pc.min_max(column).as_py()
    return bounds["min"] is None or -EXACT <= bounds["min"] <= bounds["max"] <= EXACT


def _is_name(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(name.encode())
    except UnicodeEncodeError:
        return False


def _parts(kind: pa.DataType) -> Iterator[pa.DataType]:
    """A type and all types inside of it."""
    yield kind
    for index in range(kind.num_fields):
        yield from _parts(kind.field(index).type)


def _is_held(kind: pa.DataType) -> bool:
    """Whether a Delta table holds the type; a column of nulls alone waits for its table's type."""
    import pyarrow as pa

    types = pa.types
    strange = types.is_time(kind) or types.is_duration(kind) or types.is_interval(kind) or types.is_map(kind)
    odd = isinstance(kind, pa.BaseExtensionType) or (types.is_struct(kind) and not kind.num_fields)
    return not (strange or odd or (types.is_decimal(kind) and plain_type(kind).bit_width > 128))
