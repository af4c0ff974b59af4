"""Where a model's tables are: Delta tables under one root, appended to exactly once a batch."""

from __future__ import annotations

import json
import random
import re
import time as clock
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.lineage import DataVersion

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.fs import FileSystem

__all__ = ["DeltaTables"]

ATTEMPTS = 60
DESCRIPTION = "mlops.data-version"
KEPT_FOR_EVER = {"delta.logRetentionDuration": "interval 36500 days", "delta.enableExpiredLogCleanup": "false"}
"""Any past version must stay readable: it is what a registry version was made from."""
TABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class DeltaTables(Block):
    """The Delta tables of all models: accepted rows, labels, predictions and quarantined rows.

    Example:
        Load a saved block and read what was accepted last:
        ```python
        from prefect_mlops.blocks import DeltaTables

        tables = DeltaTables.load("BLOCK_NAME")
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
        """Where a table lies.

        Raises:
            DataError: The name could lead out of the root.
        """
        if not TABLE.fullmatch(table):
            raise DataError(f"{table!r} cannot name a table", "Use letters, digits, '.', '_' and '-'")
        if "://" in self.root:
            return f"{self.root.rstrip('/')}/{table}"
        return str(place(self.root, "tables") / table)

    def exists(self, table: str) -> bool:
        """Whether a table was ever written."""
        from deltalake import DeltaTable

        return bool(DeltaTable.is_deltatable(self.path(table), self._options()))

    def version(self, table: str) -> int:
        """A table's newest version; -1 where it does not exist."""
        return self._open(table).version() if self.exists(table) else -1

    def types_of(self, table: str) -> pa.Schema:
        """The columns of a table with their types."""
        return _schema(self._open(table))

    def append(self, table: str, frame: pd.DataFrame, batch: str, *, time: str | None = None) -> DataVersion:
        """Append a batch as one new version; the same batch twice is appended once.

        The batch's name goes into the very commit as a Delta application transaction, so that a run which died
        after its append finds it done, and of two that bring the same batch at once one does. The name is the
        batch's identity: corrected rows need a new one. Writers of different batches all get in, one after the other.

        Args:
            table: The table's name; it is made from its first batch.
            frame: The rows; the index is left out.
            batch: The batch's name.
            time: The column whose oldest and newest value the answer tells.

        Returns:
            The version that the batch made, with the digest of its rows as `read` gives them back.

        Raises:
            DataError: The rows cannot be held as they are: none, times without a zone, values of several types, or
                in a table's first batch a column whose type nothing tells.
            SchemaMismatch: The batch has other columns or types than the table; nothing was written.
        """
        from prefect_mlops.core.batches import as_columns

        rows = as_columns(frame, batch)
        self._commit(table, rows, {batch: 1}, time)
        return self._described(table, batch)

    def append_spool(self, table: str, rows: pa.Table, offsets: Mapping[str, int]) -> bool:
        """Append rows that were read from files, together with how far each file is read now.

        Args:
            table: The table's name.
            rows: The rows; none moves the offsets alone.
            offsets: How far each file is read by these rows.

        Returns:
            False where another process has read any of the files that far meanwhile; nothing was written then.
        """
        return self._commit(table, rows, offsets, None)

    def spool_offsets(self, table: str, files: Sequence[str]) -> dict[str, int]:
        """How far each file was read, as the table itself remembers; 0 for a new one."""
        there = self._open(table) if self.exists(table) else None
        return {file: (there.transaction_version(file) or 0) if there is not None else 0 for file in files}

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
            after: Rows later than this; the moment itself is not part of the window.
            before: Rows up to this; the moment itself is part of the window.

        Raises:
            NotFound: There is no such table or version.
            DataError: A column is not there, or the window has no time column or no zone.
        """
        from deltalake.exceptions import DeltaError

        if not self.exists(table):
            raise NotFound("table", table, "Ingest a batch first; flows create tables by themselves")
        try:
            found = self._open(table, version)
        except DeltaError as error:
            raise NotFound("version", f"{table} {version}", f"Ask for one up to {self.version(table)}") from error
        there = [field.name for field in found.schema().fields]
        wanted = there if columns is None else list(columns)
        missing = sorted({*wanted, *([time] if time else [])} - set(there))
        if missing:
            raise DataError(f"Table {table!r} has no column {', '.join(missing)}", f"It has {', '.join(there)}")
        rows: pd.DataFrame = found.to_pyarrow_dataset().to_table(wanted, _window(time, after, before)).to_pandas()
        return rows

    def _commit(self, table: str, rows: pa.Table, transactions: Mapping[str, int], time: str | None) -> bool:
        """Write one version that also remembers its application transactions, unless they are known already."""
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        from prefect_mlops.core.batches import fit_columns

        app_transactions = [Transaction(app_id=name, version=reached) for name, reached in transactions.items()]
        for attempt in range(ATTEMPTS):
            there = self._open(table) if self.exists(table) else None
            if there is not None:
                if any((there.transaction_version(name) or -1) >= reached for name, reached in transactions.items()):
                    return False
                rows = fit_columns(rows, _schema(there), table)
            else:
                _require_types(rows, table)
            described = _describe(table, rows, time).model_dump_json()
            metadata = {"mlops.batch": next(iter(transactions)), DESCRIPTION: described}
            # A first commit that lost its race must fail: retried, it would become the second one, unchecked.
            retries = 0 if there is None else 100
            done = CommitProperties(
                custom_metadata=metadata, app_transactions=app_transactions, max_commit_retries=retries
            )
            try:
                if there is None:
                    write_deltalake(
                        self.path(table),
                        rows,
                        mode="error",
                        configuration=KEPT_FOR_EVER,
                        commit_properties=done,
                        storage_options=self._options(),
                    )
                else:
                    write_deltalake(there, rows, mode="append", commit_properties=done)
                return True
            except CommitFailedError:  # the same batch, or the table itself, came from another writer meanwhile
                if attempt == ATTEMPTS - 1:
                    raise
            except DeltaError:
                if there is not None or not self.exists(table):
                    raise
            clock.sleep(random.uniform(0, 0.02 * min(attempt + 1, 10)))
        raise AssertionError("the loop above returns or raises")

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(self.path(table), version=version, storage_options=self._options())

    def _described(self, table: str, batch: str) -> DataVersion:
        """What was committed under a batch's name, whoever did it and however long ago.

        Read from the log itself: `DeltaTable.history` numbers its commits wrongly while another writer commits.
        """
        store = self._store(self.path(table))
        for version in range(self._open(table).version(), -1, -1):
            try:
                with store.open_input_file(f"_delta_log/{version:020}.json") as log:
                    actions = [json.loads(line) for line in log.read().splitlines()]
            except FileNotFoundError:
                break
            commit: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
            if commit.get("mlops.batch") == batch:
                said = DataVersion.model_validate_json(commit[DESCRIPTION])
                return said.model_copy(update={"version": version})
        raise NotFound("commit of batch", batch, f"The log of table {table!r} was cut; restore it from a backup")

    def _store(self, folder: str) -> FileSystem:
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import PyFileSystem

        return PyFileSystem(DeltaStorageHandler(folder, self._options()))

    def _options(self) -> dict[str, str] | None:
        return {name: value.get_secret_value() for name, value in self.storage_options.items()} or None


def _describe(table: str, rows: pa.Table, time: str | None) -> DataVersion:
    from prefect_mlops.core.lineage import digest_rows

    frame = rows.to_pandas()
    moments = frame[time].dropna() if time else None
    return DataVersion(
        table=table,
        version=-1,
        rows=len(frame),
        digest=digest_rows(frame),
        first="" if moments is None or moments.empty else moments.min().isoformat(),
        last="" if moments is None or moments.empty else moments.max().isoformat(),
        columns={str(name): str(dtype) for name, dtype in frame.dtypes.items()},
    )


def _schema(there: DeltaTable) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(there.schema().to_arrow())


def _require_types(rows: pa.Table, table: str) -> None:
    """A column without any value has no type, and the first batch settles the table's types for good."""
    import pyarrow as pa

    bare = [name for name in rows.schema.names if pa.types.is_null(rows.schema.field(name).type)]
    if bare:
        raise DataError(
            f"Columns without any value in the first batch of table {table!r}: {', '.join(bare)}",
            f"Give them a type, for example frame[{bare[0]!r}].astype('string'), or leave them out",
        )


def _window(time: str | None, after: datetime | None, before: datetime | None) -> object:
    import pyarrow as pa
    import pyarrow.compute as pc

    window = None
    for moment, keeps in ((after, pc.greater), (before, pc.less_equal)):
        if moment is None:
            continue
        if time is None:
            raise DataError("A time window was asked for without its time column", "Name the column with `time`")
        if moment.tzinfo is None:
            raise DataError(f"The moment {moment.isoformat()} has no time zone", "Give it one, such as UTC")
        condition = keeps(pc.field(time), pa.scalar(moment, pa.timestamp("us", "UTC")))
        window = condition if window is None else window & condition
    return window
