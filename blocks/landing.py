"""Where batches land as files: which of them wait, their rows, and where they go afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import time as clock
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, PrivateAttr, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.folders import FileSeen, Folder, open_folder
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import DataError, NotFound, ServingError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FileSource"]

DONE, REJECTED = ".done", ".rejected"
ANNOUNCED = ".announced"
LOST_SECONDS = 600.0
"""After so long a batch that was announced by its name, and that no run has taken, waits like any other."""
STILL_SECONDS = 1.0


class FileSource(Block):
    """A folder in which batches land as Parquet, CSV or JSON-lines files, each model's in a subfolder of its own.

    A batch's name is its path in the folder, such as `flights-late/rows-2013-04.parquet`. What was taken in is moved
    to `flights-late/.done`, what cannot be read to `flights-late/.rejected`. Whatever begins with `.` or `_`, links,
    and files with another ending are passed over.

    Example:
        Load a saved source and read what waits for a model:
        ```python
        from prefect_mlops.blocks import FileSource

        source = FileSource.load("BLOCK_NAME")
        frames = [source.read(batch) for batch in source.waiting("flights-late")]
        ```
    """

    _block_type_name = "MLOps Source"
    _block_type_slug = "mlops-source"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION
    _opened: tuple[str, Folder] | None = PrivateAttr(default=None)
    _was_read: dict[str, FileSeen] = PrivateAttr(default_factory=dict)

    folder: str = Field(
        default="", description="A folder, or s3://bucket/prefix; the folder `landing` under the home when empty."
    )
    storage_options: dict[str, SecretStr] = Field(
        default={}, description="Keys, region and endpoint of the bucket, as for tables, such as aws_access_key_id."
    )

    def waiting(self, model: str) -> tuple[str, ...]:
        """The batches that wait for a model, oldest first: files that are whole and not yet put aside.

        A file on a disk counts as whole when its size and time stood still for a second; this waits for that second.

        Raises:
            ServingError: The folder does not answer.
        """
        return self.waiting_by_model((model,))[model]

    def waiting_by_model(self, models: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The batches that wait for each of several models, in one look.

        Raises:
            ServingError: The folder does not answer.
        """
        folder = self._folder()
        with self._answering(folder, "cannot be listed"):
            found = {model: [seen for seen in _landed(folder, model) if _is_readable(seen.name)] for model in models}
            if folder.grows:
                growing = _growing(folder, [seen for files in found.values() for seen in files])
                found = {model: [seen for seen in files if seen not in growing] for model, files in found.items()}
        return {
            model: tuple(dict.fromkeys(_batch_of(seen) for seen in sorted(files, key=_age)))
            for model, files in found.items()
        }

    def passed_over(self, models: Sequence[str]) -> tuple[str, ...]:
        """Files that nobody will ever take, since their ending is none of ours and no unfinished file's.

        Raises:
            ServingError: The folder does not answer.
        """
        folder = self._folder()
        with self._answering(folder, "cannot be listed"):
            names = [seen.name for model in models for seen in folder.files(model)]
        return tuple(name for name in names if not _is_readable(name) and not name.endswith(UNFINISHED))

    def read(self, batch: str) -> pd.DataFrame:
        """Read a batch by its name, also one that was put aside already.

        Raises:
            NotFound: No such file has landed.
            DataError: The name leads out of the folder, or the file cannot be read as rows.
            ServingError: The folder does not answer.
        """
        from prefect_mlops.core.rowfiles import read_rows

        folder = self._folder()
        _require_name(batch)
        with self._answering(folder, "does not give its files"):
            seen = _find(folder, (*_waits_at(batch), _aside(batch, DONE), _aside(batch, REJECTED)))
            if seen is None:
                where = folder.address(batch.rpartition("/")[0])
                raise NotFound("batch", batch, f"Drop it into {where}, or use `prefect-mlops land`")
            content = folder.fetch(seen.name)
        self._was_read[batch] = seen
        return read_rows(content, batch)

    def settle(self, batch: str) -> None:
        """Put aside a batch that was taken in, into `.done` of its model; again and again does no harm.

        Raises:
            ServingError: The folder does not answer.
        """
        self._put_aside(batch, DONE)

    def reject(self, batch: str) -> str:
        """Put aside a batch that cannot be read, into `.rejected` of its model; again and again does no harm.

        Returns:
            Where it lies now.

        Raises:
            ServingError: The folder does not answer.
        """
        return self._put_aside(batch, REJECTED)

    def put(self, file: Path, batch: str = "", *, announced: bool = False) -> str:
        """Copy a file into the folder; it appears there whole or not at all.

        Args:
            file: A file of this machine.
            batch: The batch's name, with the model's subfolder; the file's own name by default.
            announced: Whether a run is told this very name, with more about it than a file can say. Then it waits for
                that run alone, ten minutes long.

        Returns:
            The batch's name.

        Raises:
            DataError: The name leads out of the folder or has an unknown ending, or another batch waits under it.
            ServingError: The folder does not answer.
        """
        name = batch or file.name
        folder = self._folder()
        _require_name(name)
        with self._answering(folder, "takes no files"):
            waits = _find(folder, _waits_at(name))
            if waits is None:
                folder.take_in(file, _aside(name, ANNOUNCED) if announced else name)
            elif waits.size != file.stat().st_size or folder.fetch(waits.name) != file.read_bytes():
                raise DataError(f"Another batch waits under the name {name!r}", "Give this one a name of its own")
        return name

    def batch_at(self, address: str) -> str:
        """The name of the batch at a full address such as `s3://bucket/prefix/flights-late/rows.csv`.

        Empty where it lies elsewhere.
        """
        root = self._folder().address("").rstrip("/") + "/"
        return address.removeprefix(root) if address.startswith(root) else ""

    def may_wait(self, batch: str) -> bool:
        """Whether a file of this name would be taken in: it is not hidden or put aside, and has an ending of ours."""
        return _is_readable(batch) and not any(part.startswith((".", "_")) for part in batch.split("/"))

    def is_there(self) -> bool:
        """Whether the folder exists.

        Raises:
            ServingError: It does not answer.
        """
        folder = self._folder()
        with self._answering(folder, "does not answer"):
            return folder.is_there()

    def _put_aside(self, batch: str, where: str) -> str:
        """Move a batch as it was read, under another name where that name is taken by another content."""
        folder = self._folder()
        _require_name(batch)
        target = _aside(batch, where)
        with self._answering(folder, "does not let its files be moved"):
            was = self._was_read.get(batch)
            seen = _find(folder, _waits_at(batch) if was is None else (was.name,))
            if seen is None or seen.name not in _waits_at(batch):
                return folder.address(target)
            if was not in (None, seen):  # written anew since it was read: it waits for the next run
                return folder.address(seen.name)
            there = folder.find(target)
            if there is not None:
                content = folder.fetch(seen.name)
                if there.size != seen.size or folder.fetch(target) != content:
                    path = PurePosixPath(target)
                    digest = hashlib.sha256(content).hexdigest()[:12]
                    target = str(path.with_name(f"{path.stem}.{digest}{path.suffix}"))
            folder.move(seen.name, target)
        return folder.address(target)

    def _folder(self) -> Folder:
        root = self.folder if "://" in self.folder else place(self.folder, "landing")
        if self._opened is None or self._opened[0] != str(root):
            options = {name: value.get_secret_value() for name, value in self.storage_options.items()}
            self._opened = (str(root), open_folder(root, options))
        return self._opened[1]

    @contextlib.contextmanager
    def _answering(self, folder: Folder, fails: str) -> Iterator[None]:
        """What a disk or bucket says is a fault of ours to mend, never the batch's."""
        try:
            yield
        except OSError as error:
            said = " ".join(str(error).split())[:200]
            cure = "Check that it is mounted or reachable, and the keys in its block; no file was lost"
            raise ServingError(f"The landing folder {folder.address('')} {fails} ({said})", cure) from error


UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")


def _is_readable(name: str) -> bool:
    from prefect_mlops.core.rowfiles import ENDINGS

    return PurePosixPath(name).suffix.lower() in ENDINGS


def _landed(folder: Folder, model: str) -> list[FileSeen]:
    """All files of a model that are not put aside; one that was announced by its name counts when nobody came."""
    lost = clock.time_ns() - LOST_SECONDS * 1e9
    forgotten = [seen for seen in folder.files(f"{model}/{ANNOUNCED}") if seen.modified_ns < lost]
    return [*folder.files(model), *forgotten]


def _find(folder: Folder, names: Sequence[str]) -> FileSeen | None:
    return next(filter(None, map(folder.find, names)), None)


def _waits_at(batch: str) -> tuple[str, str]:
    """Where a batch may lie before it is put aside."""
    return batch, _aside(batch, ANNOUNCED)


def _batch_of(seen: FileSeen) -> str:
    return seen.name.replace(f"/{ANNOUNCED}/", "/", 1)


def _age(seen: FileSeen) -> tuple[int, str]:
    return seen.modified_ns, seen.name


def _growing(folder: Folder, files: Sequence[FileSeen]) -> set[FileSeen]:
    """Those of the files that were written within the last second, and look different when that second is over."""
    now = clock.time_ns()
    ages = {seen: (now - seen.modified_ns) / 1e9 for seen in files}
    young = {seen: age for seen, age in ages.items() if age < STILL_SECONDS}
    if young:  # a time in the future is of a clock that goes ahead: it says nothing, so the whole second is waited
        clock.sleep(max(STILL_SECONDS - max(age, 0.0) for age in young.values()))
    return {seen for seen in young if folder.find(seen.name) != seen}


def _require_name(batch: str) -> None:
    from prefect_mlops.core.rowfiles import ENDINGS

    if batch.startswith("/") or any(not part or part.startswith(".") for part in batch.split("/")):
        cure = "Name it by its path in that folder, such as flights-late/rows-2013-04.parquet"
        raise DataError(f"The batch name {batch!r} leads out of the landing folder", cure)
    if not _is_readable(batch):
        raise DataError(f"The batch {batch!r} has an unknown ending", f"Use one of {', '.join(ENDINGS)}")


def _aside(batch: str, where: str) -> str:
    model, slash, rest = batch.partition("/")
    return f"{model}/{where}/{rest}" if slash else f"{where}/{batch}"
