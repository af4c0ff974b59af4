"""Where a model's tables are: Delta tables under one root, appended to exactly once a batch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import DataError, NotFound, SchemaMismatch

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable

    from prefect_mlops.core.lineage import DataVersion

__all__ = ["DeltaTables"]

ATTEMPTS = 8


class DeltaTables(Block):
    """The Delta tables of all models: accepted rows, labels, predictions, and files of quarantined batches.

    Example:
        Load a saved block and read what was accepted last:
        ```python
        from prefect_mlops.blocks import DeltaTables

        tables = DeltaTables.load("default")
        rows = tables.read("flights-late-accepted", columns=["carrier", "distance"])
        ```
    """

    _block_type_name = "MLOps Tables"
    _block_type_slug = "mlops-tables"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    root: str = Field(default="", description="A folder or an s3:// address; `tables` under the home when empty.")
    storage_options: dict[str, SecretStr] = Field(default={}, description="Options of the object store, such as keys.")

    def path(self, table: str) -> str:
        """Where a table lies."""
        if "://" in self.root:
            return f"{self.root.rstrip('/')}/{table}"
        return str(place(self.root, "tables") / table)

    def exists(self, table: str) -> bool:
        """Whether a table was ever written."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self.path(table), self._options())

    def version(self, table: str) -> int:
        """A table's newest version; -1 where it does not exist."""
        return self._open(table).version() if self.exists(table) else -1

    def append(self, table: str, frame: pd.DataFrame, batch: str) -> DataVersion:
        """Append a batch as one new version; the same batch twice is appended once.

        The batch's name goes into the very commit as a Delta application transaction, so that a run which died
        after its append finds it done. Two writers at once both get in, one after the other.

        Args:
            table: The table's name.
            frame: The rows; the index is left out.
            batch: The batch's name.

        Returns:
            The version that holds the batch, with a digest of its rows.

        Raises:
            DataError: No rows, a time without a zone, or a column without any value in the first batch.
            SchemaMismatch: The batch has other columns or types than the table; nothing was written.
        """
        self._commit(table, frame, batch, {batch: 1})
        return self._describe(table, frame, self._version_of(self._open(table), batch))

    def append_spool(self, table: str, frame: pd.DataFrame, offsets: dict[str, int]) -> None:
        """Append rows read from files, together with how far each file was read.

        Nothing is appended when another process has read any of the files that far meanwhile.
        """
        self._commit(table, frame, "spool", offsets)

    def spool_offset(self, table: str, file: str) -> int:
        """How far a file was read, as the table itself remembers; 0 for a new one."""
        return self._open(table).transaction_version(file) or 0 if self.exists(table) else 0

    def read(
        self,
        table: str,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        time: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> pd.DataFrame:
        """Read a table, or a time window of it.

        Args:
            table: The table's name.
            version: The version to read; the newest when None.
            columns: Only these columns; all when None.
            time: The time column of the window.
            after: Rows later than this; it is not part of the window.
            before: Rows up to this; it is part of the window.

        Raises:
            NotFound: There is no such table or version.
        """
        import pyarrow.compute as pc
        from deltalake.exceptions import DeltaError

        if not self.exists(table):
            raise NotFound("table", table, "Ingest a batch first; flows create tables by themselves")
        try:
            found = self._open(table, version)
        except DeltaError as error:
            raise NotFound("version", f"{table} {version}", f"Ask for one up to {self.version(table)}") from error
        window = None
        for moment, keeps in ((after, pc.greater), (before, pc.less_equal)):
            if time and moment is not None:
                condition = keeps(pc.field(time), pc.scalar(_utc(moment)))
                window = condition if window is None else window & condition
        wanted = list(columns) if columns is not None else None
        return found.to_pyarrow_dataset().to_table(columns=wanted, filter=window).to_pandas()

    def quarantine(self, model: str, batch: str, frame: pd.DataFrame, reasons: Sequence[str]) -> str:
        """Set a batch aside as a Parquet file of text columns, with the reasons in its metadata.

        Returns:
            Where it lies.
        """
        import json

        import pyarrow as pa
        import pyarrow.parquet as pq

        texts = {str(name): pa.array([None if _missing(v) else str(v) for v in frame[name]], pa.string()) for name in frame}
        metadata = {b"reasons": json.dumps(list(reasons)).encode(), b"batch": batch.encode()}
        rows = pa.table(texts).replace_schema_metadata(metadata)
        name = f"{model}-quarantine/{batch.rpartition('.')[0] or batch}.parquet"
        where = self.path(name)
        if "://" in where:
            import fsspec

            with fsspec.open(where, "wb", **(self._options() or {})) as sink:
                pq.write_table(rows, sink)
        else:
            place(where, "")
            pq.write_table(rows, where)
        return where

    def _commit(self, table: str, frame: pd.DataFrame, batch: str, transactions: dict[str, int]) -> None:
        """Write one version that also remembers its application transactions, unless they are known already."""
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        rows = _as_arrow(frame, batch)
        done = CommitProperties(
            custom_metadata={"batch": batch},
            app_transactions=[Transaction(app_id=name, version=reached) for name, reached in transactions.items()],
        )
        for attempt in range(ATTEMPTS):
            there = self._open(table) if self.exists(table) else None
            if there is not None:
                if any((there.transaction_version(name) or -1) >= reached for name, reached in transactions.items()):
                    return
                rows = _fit(rows, there, table)
            elif empty := [name for name in rows.schema.names if batch != "spool" and rows[name].null_count == rows.num_rows]:
                raise DataError(
                    f"Column {empty[0]!r} of {batch!r} holds no value, so its type is unknown",
                    "Start the table with a batch in which every column has a value",
                )
            try:
                mode = "append" if there is not None else "error"
                write_deltalake(
                    self.path(table), rows, mode=mode, commit_properties=done, storage_options=self._options()
                )
                return
            except (CommitFailedError, DeltaError, FileExistsError):
                if attempt == ATTEMPTS - 1:
                    raise

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(self.path(table), version=version, storage_options=self._options())

    def _version_of(self, there: DeltaTable, batch: str) -> int:
        for commit in there.history():
            if commit.get("batch") == batch:
                return int(commit["version"])
        return int(there.version())

    def _describe(self, table: str, frame: pd.DataFrame, version: int) -> DataVersion:
        from prefect_mlops.core.lineage import DataVersion, digest_rows

        types = {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
        return DataVersion(table=table, version=version, rows=len(frame), digest=digest_rows(frame), columns=types)

    def _options(self) -> dict[str, str] | None:
        return {name: value.get_secret_value() for name, value in self.storage_options.items()} or None


def _as_arrow(frame: pd.DataFrame, batch: str) -> pa.Table:
    """The rows with times in microseconds UTC and plain text types; an index never comes along."""
    import pyarrow as pa

    if frame.empty:
        raise DataError(f"Batch {batch!r} has no rows", "Append at least one row")
    rows = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    fields = []
    for field in rows.schema:
        kind = field.type
        if pa.types.is_timestamp(kind):
            if kind.tz is None:
                raise DataError(
                    f"The times in {field.name!r} of batch {batch!r} have no zone", "Localise them, for example to UTC"
                )
            kind = pa.timestamp("us", "UTC")
        elif pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            kind = pa.string()
        elif pa.types.is_dictionary(kind):
            kind = kind.value_type
        fields.append(pa.field(field.name, kind))
    return rows.cast(pa.schema(fields), safe=False)


def _fit(rows: pa.Table, there: DeltaTable, table: str) -> pa.Table:
    """The rows in the table's column order; a column of nulls alone takes the table's type."""
    import pyarrow as pa

    known = pa.schema(there.schema().to_arrow())
    known = pa.schema([pa.field(f.name, _plain(f.type)) for f in known])
    differences = [f"{name}: the batch lacks it" for name in known.names if name not in rows.schema.names]
    differences += [f"{name}: the table lacks it" for name in rows.schema.names if name not in known.names]
    columns = []
    for field in known:
        if field.name not in rows.schema.names:
            continue
        column = rows[field.name]
        if column.type != field.type and column.null_count < len(column):
            differences.append(f"{field.name}: the table has {field.type}, the batch {column.type}")
        elif column.type != field.type:
            column = pa.chunked_array([pa.nulls(len(column), field.type)])
        columns.append(column)
    if differences:
        raise SchemaMismatch(table, tuple(differences))
    return pa.table(columns, schema=known)


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return pa.timestamp("us", "UTC") if pa.types.is_timestamp(kind) else kind


def _utc(moment: datetime) -> pa.Scalar:
    import pandas as pd
    import pyarrow as pa

    return pa.scalar(pd.Timestamp(moment).tz_convert("UTC").to_pydatetime(), pa.timestamp("us", "UTC"))


def _missing(value: object) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))
