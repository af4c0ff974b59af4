"""A folder of files, on a disk or in a bucket, with the few things that a landing place needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from prefect_mlops.core.errors import DataError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

__all__ = ["BucketFolder", "DiskFolder", "FileSeen", "Folder", "open_folder"]

S3_OPTIONS = {
    "access_key_id": "access_key",
    "secret_access_key": "secret_key",
    "session_token": "session_token",
    "region": "region",
    "default_region": "region",
    "endpoint_url": "endpoint_override",
    "endpoint": "endpoint_override",
}
"""What Delta tables call an option, without its `aws_`, and what pyarrow calls it."""
SAID_BY_THE_ENDPOINT = "allow_http"
CONNECT_SECONDS, REQUEST_SECONDS = 5.0, 60.0


class FileSeen(NamedTuple):
    """A file at the moment when it was looked at.

    Attributes:
        name: Its path relative to the folder, with `/`.
        size: In bytes.
        modified_ns: When it was last written, in nanoseconds since 1970; buckets know whole seconds.
    """

    name: str
    size: int
    modified_ns: int


class Folder(Protocol):
    """Files by their names relative to one place. Whatever the system says against it is an OSError."""

    @property
    def grows(self) -> bool:
        """Whether a file can be seen before it is whole."""

    def address(self, name: str) -> str:
        """Where a file lies, for people."""

    def is_there(self) -> bool:
        """Whether the folder itself exists."""

    def files(self, under: str) -> Iterator[FileSeen]:
        """The files under a subfolder and its own subfolders, but not in those that begin with `.` or `_`."""

    def find(self, name: str) -> FileSeen | None:
        """A file as it is now; None where there is none."""

    def fetch(self, name: str) -> bytes:
        """A file's content."""

    def take_in(self, file: Path, name: str) -> None:
        """Copy a file of this machine into the folder, where it appears whole or not at all."""

    def move(self, name: str, to: str) -> None:
        """Move a file within the folder."""


class DiskFolder:
    """A folder on a disk of this machine, mounted or its own.

    Links are passed over, so that nobody lands what lies elsewhere.

    Args:
        root: The folder.
    """

    grows = True

    def __init__(self, root: Path) -> None:
        self._root = root

    def address(self, name: str) -> str:
        """Where a file lies, for people."""
        return str(self._root / name)

    def is_there(self) -> bool:
        """Whether the folder itself exists."""
        return self._root.is_dir()

    def files(self, under: str) -> Iterator[FileSeen]:
        """The files under a subfolder and its own subfolders, but not in those that begin with `.` or `_`."""
        try:
            entries = sorted(os.scandir(self._root / under), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.name.startswith((".", "_")):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self.files(f"{under}/{entry.name}")
            elif entry.is_file(follow_symlinks=False) and (seen := self.find(f"{under}/{entry.name}")):
                yield seen

    def find(self, name: str) -> FileSeen | None:
        """A file as it is now; None where there is none, or where a link on the way leads out of the folder."""
        path = self._root / name
        if not path.resolve().is_relative_to(self._root.resolve()):
            return None
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return FileSeen(name, status.st_size, status.st_mtime_ns) if path.is_file() else None

    def fetch(self, name: str) -> bytes:
        """A file's content."""
        return (self._root / name).read_bytes()

    def take_in(self, file: Path, name: str) -> None:
        """Copy a file of this machine into the folder, where it appears whole or not at all."""
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        shutil.copyfile(file, partial)
        partial.replace(target)

    def move(self, name: str, to: str) -> None:
        """Move a file within the folder."""
        target = self._root / to
        target.parent.mkdir(parents=True, exist_ok=True)
        (self._root / name).replace(target)


class BucketFolder:
    """A prefix in an S3 bucket, or in anything that speaks its language.

    Args:
        address: Such as `s3://bucket/landing`.
        options: Keys, region and endpoint, named as for Delta tables; what is missing comes from the environment.

    Raises:
        DataError: It is no `s3://` address, or an option is unknown.
    """

    grows = False

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        self._address = address.rstrip("/")
        scheme, _, self._root = self._address.partition("://")
        if scheme != "s3" or not self._root:
            raise DataError(f"{address!r} cannot be a landing folder", "Name a local folder, or s3://bucket/prefix")
        self._options = _s3_options(options)
        self._opened: FileSystem | None = None

    def address(self, name: str) -> str:
        """Where a file lies, for people."""
        return f"{self._address}/{name}"

    def is_there(self) -> bool:
        """Whether the bucket exists; a prefix is there as soon as something lies under it."""
        return bool(self._system().get_file_info(self._root.partition("/")[0]).type.value)

    def files(self, under: str) -> Iterator[FileSeen]:
        """The files under a subfolder and its own subfolders, but not in those that begin with `.` or `_`."""
        from pyarrow.fs import FileSelector, FileType

        found = self._system().get_file_info(FileSelector(f"{self._root}/{under}", allow_not_found=True))
        for info in sorted(found, key=lambda info: info.base_name):
            if info.base_name.startswith((".", "_")):
                continue
            if info.type == FileType.Directory:
                yield from self.files(f"{under}/{info.base_name}")
            elif info.type == FileType.File:
                yield self._seen(info)

    def find(self, name: str) -> FileSeen | None:
        """A file as it is now; None where there is none."""
        info = self._system().get_file_info(f"{self._root}/{name}")
        return self._seen(info) if info.is_file else None

    def fetch(self, name: str) -> bytes:
        """A file's content."""
        with self._system().open_input_stream(f"{self._root}/{name}") as stream:
            return bytes(stream.read())

    def take_in(self, file: Path, name: str) -> None:
        """Copy a file of this machine into the folder, where it appears whole or not at all."""
        content = file.read_bytes()  # first, for closing the stream makes an object of what was written until then
        with self._system().open_output_stream(f"{self._root}/{name}") as stream:
            stream.write(content)

    def move(self, name: str, to: str) -> None:
        """Move a file within the folder."""
        self._system().move(f"{self._root}/{name}", f"{self._root}/{to}")

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._system().delete_file(f"{self._root}/{name}")

    def _seen(self, info: FileInfo) -> FileSeen:
        return FileSeen(info.path.removeprefix(f"{self._root}/"), info.size, info.mtime_ns)

    def _system(self) -> FileSystem:
        from pyarrow.fs import S3FileSystem

        if self._opened is None:
            self._opened = S3FileSystem(
                connect_timeout=CONNECT_SECONDS, request_timeout=REQUEST_SECONDS, **self._options
            )
        return self._opened


def open_folder(root: Path | str, options: Mapping[str, str]) -> Folder:
    """The folder at a path of this machine, or at an `s3://` address.

    Raises:
        DataError: It is another address, or an option is unknown.
    """
    return DiskFolder(root) if isinstance(root, Path) else BucketFolder(root, options)


def _s3_options(options: Mapping[str, str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for name, value in options.items():
        plain = name.lower().removeprefix("aws_")
        if plain == SAID_BY_THE_ENDPOINT:
            continue
        if plain not in S3_OPTIONS:
            raise DataError(f"Unknown storage option {name!r}", f"Use aws_ with one of {', '.join(sorted(S3_OPTIONS))}")
        named[S3_OPTIONS[plain]] = value
    # pyarrow reads this variable too, but asks such an endpoint for a host of the bucket's name, which few have.
    elsewhere = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return {"endpoint_override": elsewhere} | named if elsewhere else named
