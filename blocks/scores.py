"""The table of a model's scores: one partition a window and arm, each replaced as a whole in one commit."""

from __future__ import annotations

import contextlib
import json
import time as clock
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from prefect_mlops.blocks.tables import CONFIGURATION
from prefect_mlops.core.scoring.plan import Arm, Recorded

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction
    from pyarrow.fs import FileSystem
    from pyarrow.parquet import ParquetWriter

    from prefect_mlops.blocks.tables import DeltaTables

__all__ = ["Record", "ScoreTable"]

PARTITIONS = ["window", "arm"]
HELD_ROWS = 65_536
"""Rows that wait to be written, over all windows: rows that come in no order would else be written in crumbs."""

REPEATED = ("accepted_at", "as_of", "data_version", "prediction", "scored_at", "version")
"""Columns that a dictionary makes small; for those whose values all differ it costs twice the time of writing."""
HASHED = ("prediction_id",)
"""Nothing compresses chance."""
SOUGHT = ("accepted_at", "event_time")
"""Columns by whose least and greatest values a reader passes over parts of a file."""


class Record(NamedTuple):
    """What a version of the table of scores has on record.

    Attributes:
        table_version: That version; -1 where there is no table yet.
        windows: By the names of the windows.
    """

    table_version: int
    windows: dict[str, Recorded]


class ScoreTable(NamedTuple):
    """The table `<model>-scores`.

    Files are written first and then named in one commit, so that a run that was killed leaves files which nobody
    reads, and no window is ever seen half replaced.

    Attributes:
        tables: Where the tables are.
        model: The model's name.
    """

    tables: DeltaTables
    model: str

    @property
    def name(self) -> str:
        """The table's name."""
        return f"{self.model}-scores"

    def recorded(self, arm: Arm) -> Record:
        """What is on record of each window, from the table's log alone.

        Raises:
            StorageError: The table cannot be read.
        """
        import pyarrow as pa

        with self.tables._reaching(self.name):
            there = self.tables._open_or_none(self.name)
            if there is None:
                return Record(-1, {})
            files = pa.table(there.get_add_actions(flatten=True)).to_pylist()
        windows: dict[str, Recorded] = {}
        for file in files:
            if file["partition.arm"] == arm:
                before = windows.get(file["partition.window"], Recorded(0, 0, 0))
                rows = before.rows + file["num_records"]
                windows[file["partition.window"]] = Recorded(file["max.version"], rows, file["max.data_version"])
        return Record(there.version(), windows)

    def replace(self, arm: Arm, windows: Sequence[str], rows: Iterable[pa.Table], since: int) -> int | None:
        """Put these rows in the place of all that these windows held for an arm, in one commit.

        Args:
            arm: Whose scores.
            windows: The names of all windows that are replaced.
            rows: Tables of `core.scoring.records.COLUMNS`, each row in one of the windows; they are written as they
                come and never held together.
            since: The version of the table in which the caller saw what is on record; -1 where there was none.

        Returns:
            The table's version; None where another run has replaced one of the windows since, and nothing was written.

        Raises:
            StorageError: The table cannot be written; it is at its last version.
        """
        from deltalake import CommitProperties, Transaction
        from deltalake.exceptions import CommitFailedError

        with self.tables._reaching(self.name):
            there = self._made() if since < 0 else self.tables._open(self.name, since)
            if since < 0 < there.version():
                return None
            known = [there.transaction_version(f"{arm}:{window}") or 0 for window in windows]
            done = CommitProperties(
                app_transactions=[
                    Transaction(f"{arm}:{window}", before + 1) for window, before in zip(windows, known, strict=True)
                ]
            )
            with _Files(self.tables._store(self.tables.path(self.name))) as files:
                for part in rows:
                    files.take(part)
                actions = files.close()
                try:
                    there.create_write_transaction(
                        actions,
                        mode="overwrite",
                        schema=there.schema(),
                        partition_by=PARTITIONS,
                        partition_filters=[("arm", "=", arm), ("window", "in", [*windows])],
                        commit_properties=done,
                    )
                except CommitFailedError:  # its transactions are numbered, so of two runs one gets in
                    return None
                files.keep()
            return int(there.version())

    def read(self, arm: Arm, columns: Sequence[str], windows: Sequence[str] = ()) -> pd.DataFrame:
        """Read the scores of an arm.

        Args:
            arm: Whose scores.
            columns: The columns wanted.
            windows: Only these windows; all when empty.

        Raises:
            NotFound: The model has no scores yet.
            StorageError: The table cannot be read.
        """
        import pyarrow.dataset as ds

        from prefect_mlops.core.batches import as_frame

        with self.tables._reaching(self.name):
            there = self.tables._open(self.name)
            kept = ds.field("arm") == arm
            if windows:
                kept &= ds.field("window").isin([*windows])
            disk = None if "://" in self.tables.root else self.tables._store(self.tables.path(self.name))
            return as_frame(there.to_pyarrow_dataset(filesystem=disk).to_table([*columns], kept))

    def _made(self) -> DeltaTable:
        """The table, made where it is not there; of two that make it at once both find it."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        from prefect_mlops.core.scoring.records import COLUMNS

        there = self.tables._open_or_none(self.name)
        if there is not None:
            return there
        with contextlib.suppress(DeltaError):
            return DeltaTable.create(
                self.tables.path(self.name),
                COLUMNS,
                partition_by=PARTITIONS,
                configuration=CONFIGURATION,
                storage_options=self.tables._options(),
            )
        return self.tables._open(self.name)


class _File:
    """One Parquet file of one window, written piece by piece."""

    def __init__(self, store: FileSystem, window: str, arm: str, schema: pa.Schema) -> None:
        from pyarrow.parquet import ParquetWriter

        folder = f"window={window}/arm={arm}"
        store.create_dir(folder)
        self.window, self.arm, self.path = window, arm, f"{folder}/part-{uuid.uuid4()}.parquet"
        self.rows, self.stamp = 0, (0, 0)
        self._stream = store.open_output_stream(self.path)
        self._writer: ParquetWriter = ParquetWriter(
            self._stream,
            schema,
            compression={name: "none" if name in HASHED else "snappy" for name in schema.names},
            use_dictionary=[*REPEATED],
            write_statistics=[*SOUGHT],
        )

    def write(self, rows: pa.Table) -> None:
        """Write a row group."""
        self._writer.write_table(rows)
        self.rows += rows.num_rows
        self.stamp = rows["version"][0].as_py(), rows["data_version"][0].as_py()

    def close(self) -> None:
        """End the file."""
        self._writer.close()
        self._stream.close()

    def action(self, size: int) -> AddAction:
        """What a commit says of it: `recorded` reads it back."""
        from deltalake.transaction import AddAction

        said = dict(zip(("version", "data_version"), self.stamp, strict=True))
        stats = {"numRecords": self.rows, "minValues": said, "maxValues": said, "nullCount": dict.fromkeys(said, 0)}
        return AddAction(
            path=self.path,
            size=size,
            partition_values={"window": self.window, "arm": self.arm},
            modification_time=int(clock.time() * 1000),
            data_change=True,
            stats=json.dumps(stats),
        )


class _Files:
    """The files of one commit; they are taken away again where the commit is not made."""

    def __init__(self, store: FileSystem) -> None:
        self._store = store
        self._files: dict[tuple[str, str], _File] = {}
        self._held: dict[tuple[str, str], list[pa.Table]] = {}
        self._kept = False

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            for file in self._files.values():
                with contextlib.suppress(OSError):
                    file.close()
                with contextlib.suppress(OSError):
                    self._store.delete_file(file.path)

    def take(self, rows: pa.Table) -> None:
        """Hold rows, and write them once there are enough."""
        for window, arm, part in _by_partition(rows):
            self._held.setdefault((window, arm), []).append(part)
        if sum(part.num_rows for parts in self._held.values() for part in parts) >= HELD_ROWS:
            self._write()

    def close(self) -> list[AddAction]:
        """End all files."""
        self._write()
        for file in self._files.values():
            file.close()
        sizes = self._store.get_file_info([file.path for file in self._files.values()])
        return [file.action(found.size) for file, found in zip(self._files.values(), sizes, strict=True)]

    def keep(self) -> None:
        """The commit was made."""
        self._kept = True

    def _write(self) -> None:
        import pyarrow as pa

        for (window, arm), parts in self._held.items():
            rows = pa.concat_tables(parts).combine_chunks()
            if (window, arm) not in self._files:
                self._files[window, arm] = _File(self._store, window, arm, rows.schema)
            self._files[window, arm].write(rows)
        self._held = {}
        pa.default_memory_pool().release_unused()


def _by_partition(rows: pa.Table) -> Iterator[tuple[str, str, pa.Table]]:
    """Cut rows into those of each window and arm, without these two columns."""
    import pyarrow.compute as pc

    arms, windows = (rows[name].unique().to_pylist() for name in ("arm", "window"))
    if len(arms) == len(windows) == 1:
        yield windows[0], arms[0], rows.drop_columns(PARTITIONS)
        return
    for arm in arms:
        for window in windows:
            kept = pc.and_(pc.equal(rows["window"], window), pc.equal(rows["arm"], arm))
            part = rows.filter(kept).drop_columns(PARTITIONS)
            if part.num_rows:
                yield window, arm, part
