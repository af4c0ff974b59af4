"""Where a model's tables are: Delta tables under one root, appended to exactly once a batch."""

from __future__ import annotations

import contextlib
import json
import random
import re
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.blocks.widening import add_columns, schema_of
from prefect_mlops.core.batches import as_columns, as_frame, fit_columns
from prefect_mlops.core.commits import Commit, describe, read_commit, require_same, require_types, window
from prefect_mlops.core.errors import DataError, NotFound, StorageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable
    from pyarrow.fs import FileSystem

    from prefect_mlops.core.lineage import DataVersion

__all__ = ["DeltaTables"]

ATTEMPTS = 60
CONFIGURATION = {
    # Any past version must stay readable: it is what a registry version was made from.
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
    # Opening a table replays the log since its last checkpoint.
    "delta.checkpointInterval": "10",
}
SMALL_FILES = 50
"""So many commits with a file of their own are merged into one file; the old ones stay, for the old versions."""
BABBLE = re.compile(r"\x1b\[\d+m|(?<=Json error:)(?s:.*)|\s\d+: <unknown>(?s:.*)")
"""Colours, addresses of the machine's code, and what a parser of the log quotes: the log holds values of rows."""
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
        return schema_of(self._open(table))

    def append(
        self, table: str, frame: pd.DataFrame, batch: str, *, time: str | None = None, stamps: Sequence[str] = ()
    ) -> DataVersion:
        """Append a batch as one new version; the same batch twice is appended once.

        The batch's name goes into the very commit as a Delta application transaction, so that a run which died
        after its append finds it done, and of two that bring the same batch at once one does. The name is the
        batch's identity: corrected rows need a new one. Writers of different batches all get in, one after the other.

        Args:
            table: The table's name; it is made from its first batch.
            frame: The rows; the index is left out.
            batch: The batch's name.
            time: The column whose oldest and newest value the answer tells.
            stamps: Columns that say when rows were written; they may differ where a batch comes again.

        Returns:
            The version that the batch made, with the digest of its rows as `read` gives them back.

        Raises:
            DataError: The rows cannot be held as they are: none, times without a zone, values of several types, or
                in a table's first batch a column whose type nothing tells. Or other rows were appended under this
                name before.
            SchemaMismatch: The batch has other columns or types than the table; nothing was written.
            StorageError: The table cannot be written; it is at its last version.
        """
        rows = as_columns(frame, batch)
        with self._reaching(table):
            committed, there = self._commit(table, rows, {batch: 1}, time, stamps)
            said = self._described(there, table, batch)
            if said is None:
                raise NotFound(
                    "commit of batch", batch, f"The log of table {table!r} was cut; restore it from a backup"
                )
            if not committed:
                require_same(fit_columns(rows, schema_of(there), table), batch, said, stamps)
            elif said.version.version % SMALL_FILES == SMALL_FILES - 1:
                self._merge_files(table)
        return said.version

    def find(self, table: str, batch: str) -> DataVersion | None:
        """The version that a batch made; None where it was never appended.

        Raises:
            StorageError: The table cannot be read.
        """
        with self._reaching(table):
            there = self._open_or_none(table)
            if there is None or there.transaction_version(batch) is None:
                return None
            said = self._described(there, table, batch)
        return said.version if said else None

    def append_spool(self, table: str, rows: pa.Table, offsets: Mapping[str, int], since: Mapping[str, int]) -> bool:
        """Append rows that were read from streams, together with how far each stream is read now.

        Args:
            table: The table's name; columns that it lacks are added to it.
            rows: The rows; none moves the offsets alone.
            offsets: How far each stream is read by these rows.
            since: How far each was read before them.

        Returns:
            False where another process has read any of the streams meanwhile, however far; nothing was written then.
        """
        with self._reaching(table):
            add_columns(self._open_or_none(table), rows.schema)
            committed, there = self._commit(table, rows, offsets, None, since=since)
            if committed and there.version() % SMALL_FILES == SMALL_FILES - 1:
                self._merge_files(table)
        return committed

    def spool_offsets(self, table: str, files: Sequence[str]) -> dict[str, int]:
        """How far each stream was read, as the table itself remembers; 0 for a new one."""
        there = self._open_or_none(table)
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
            StorageError: The table cannot be read.
        """
        from deltalake.exceptions import DeltaError

        with self._reaching(table):
            newest = self._open_or_none(table)
            if newest is None:
                raise NotFound("table", table, "Ingest a batch first; flows create tables by themselves")
            try:
                found = newest if version in (None, newest.version()) else self._open(table, version)
            except DeltaError as error:
                raise NotFound("version", f"{table} {version}", f"Ask for one up to {newest.version()}") from error
            types = schema_of(found)
            there = types.names
            wanted = there if columns is None else list(columns)
            missing = sorted({*wanted, *([time] if time else [])} - set(there))
            if missing:
                raise DataError(f"Table {table!r} has no column {', '.join(missing)}", f"It has {', '.join(there)}")
            kept = window(types, time, after, before)
            # Read through Python, a disk's reads may outlive a failed one and abort a process that ends then.
            disk = None if "://" in self.root else self._store(self.path(table))
            return as_frame(found.to_pyarrow_dataset(filesystem=disk).to_table(wanted, kept))

    def _commit(
        self,
        table: str,
        rows: pa.Table,
        transactions: Mapping[str, int],
        time: str | None,
        stamps: Sequence[str] = (),
        since: Mapping[str, int] | None = None,
    ) -> tuple[bool, DeltaTable]:
        """Write one version that also remembers its application transactions, unless they moved on `since`."""
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        app_transactions = [Transaction(app_id=name, version=reached) for name, reached in transactions.items()]
        for attempt in range(ATTEMPTS):
            there = self._open_or_none(table)
            if there is not None:
                if any((there.transaction_version(name) or 0) != (since or {}).get(name, 0) for name in transactions):
                    return False, there
                rows = fit_columns(rows, schema_of(there), table)
            else:
                require_types(rows, table)
            metadata = describe(table, rows, next(iter(transactions)), time, stamps)
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
                        configuration=CONFIGURATION,
                        commit_properties=done,
                        storage_options=self._options(),
                    )
                else:
                    write_deltalake(there, rows, mode="append", commit_properties=done)
                return True, self._open(table) if there is None else there
            except CommitFailedError:  # the same batch, or the table itself, came from another writer meanwhile
                if attempt == ATTEMPTS - 1:
                    raise
            except DeltaError:
                if there is not None or not self.exists(table):
                    raise
            clock.sleep(random.uniform(0, 0.02 * min(attempt + 1, 10)))
        raise AssertionError("the loop above returns or raises")

    def _merge_files(self, table: str) -> None:
        """Merge the small files of many commits, so that reading does not open each; another writer may do it first."""
        from deltalake.exceptions import DeltaError

        with contextlib.suppress(DeltaError, OSError):
            self._open(table).optimize.compact()

    @contextlib.contextmanager
    def _reaching(self, table: str) -> Iterator[None]:
        """Tell what the storage says as a fault of the storage: it says nothing about rows."""
        from deltalake.exceptions import DeltaError
        from pyarrow import ArrowException

        try:
            yield
        except (OSError, DeltaError, ArrowException) as error:
            if isinstance(error, StorageError):
                raise
            said = " ".join(BABBLE.sub("", str(error)).split()).removesuffix(".")[:300]
            raise StorageError(table, said or type(error).__name__) from error

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(self.path(table), version=version, storage_options=self._options())

    def _open_or_none(self, table: str) -> DeltaTable | None:
        """The table; None where it was never written. What is there and cannot be read is not nothing."""
        from deltalake.exceptions import TableNotFoundError

        try:
            return self._open(table)
        except TableNotFoundError:
            return None

    def _described(self, there: DeltaTable, table: str, batch: str) -> Commit | None:
        """What was committed under a batch's name, whoever did it and however long ago.

        Read from the log itself: `DeltaTable.history` numbers its commits wrongly while another writer commits.
        """
        store = self._store(self.path(table))
        for version in range(there.version(), -1, -1):
            try:
                with store.open_input_file(f"_delta_log/{version:020}.json") as log:
                    actions = [json.loads(line) for line in log.read().splitlines()]
            except FileNotFoundError:
                break
            said = read_commit(actions, batch, version)
            if said is not None:
                return said
        return None

    def _store(self, folder: str) -> FileSystem:
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import LocalFileSystem, PyFileSystem, SubTreeFileSystem

        if "://" not in self.root:
            return SubTreeFileSystem(folder, LocalFileSystem())
        return PyFileSystem(DeltaStorageHandler(folder, self._options()))

    def _options(self) -> dict[str, str] | None:
        return {name: value.get_secret_value() for name, value in self.storage_options.items()} or None
