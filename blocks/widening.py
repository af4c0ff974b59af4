"""How a table gets columns that it did not have when it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

__all__ = ["add_columns", "schema_of"]


def add_columns(there: DeltaTable | None, wanted: pa.Schema) -> None:
    """Add the columns that a table lacks; older rows hold nulls there.

    Another process may add them at the same moment; then they are there, which is all that was asked.

    Args:
        there: The table, opened; nothing happens where it was never made.
        wanted: The columns of the rows that come.
    """
    from deltalake import Field
    from deltalake.exceptions import DeltaError

    if there is None:
        return
    known = set(schema_of(there).names)
    missing = [field for field in wanted if field.name not in known]
    if not missing:
        return
    fields = [Field.from_arrow(field.with_nullable(True)) for field in missing]
    try:
        there.alter.add_columns(fields)
    except DeltaError:
        there.update_incremental()
        if {field.name for field in missing} - set(schema_of(there).names):
            raise


def schema_of(there: DeltaTable) -> pa.Schema:
    """The columns of a table as pyarrow knows them."""
    import pyarrow as pa

    return pa.schema(there.schema().to_arrow())
