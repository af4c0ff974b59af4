"""The segments of a prediction log, on a disk that servers of this machine write to, or in a bucket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from prefect_mlops.blocks.folders import BucketFolder

__all__ = ["BucketSpool", "DiskSpool", "Piece", "Segment", "Spool"]

NAME = re.compile(r"(?P<stream>.+?)(\.(?P<start>\d+))?\.jsonl")


class Segment(NamedTuple):
    """A part of what one server process wrote.

    Attributes:
        name: Its file's name.
        stream: Which process wrote it.
        start: At which byte of the stream it begins.
        size: How many bytes it held when it was looked at.
        ends: Whether it ends some day; a file whose name tells no start is written for as long as its server lives.
    """

    name: str
    stream: str
    start: int
    size: int
    ends: bool

    @property
    def end(self) -> int:
        """The byte of the stream after its last one."""
        return self.start + self.size

    @classmethod
    def named(cls, name: str, size: int) -> Segment | None:
        """What a file's name says; None where it is no segment's.

        Examples:
            >>> Segment.named("a-71-1767225600000-5f2c.000000004096.jsonl", 10).start
            4096
        """
        said = NAME.fullmatch(name)
        return cls(name, said["stream"], int(said["start"] or 0), size, said["start"] is not None) if said else None


class Piece(NamedTuple):
    """Bytes of a segment, and whether nothing will follow after those that were there."""

    content: bytes
    closed: bool


class Spool(Protocol):
    """Where the segments of one model lie. Whatever the system says against it is an OSError."""

    def segments(self) -> list[Segment]:
        """All segments, those of one stream in its order."""

    def read(self, segment: Segment, skipped: int, most: int) -> Piece | None:
        """A segment without its first bytes; None where it is gone."""

    def delete(self, segment: Segment) -> None:
        """Remove a segment, unless it is written to or has grown since it was looked at."""

    def set_aside(self, name: str, content: bytes) -> str:
        """Keep lines that are no predictions, and say where; under a name that is there only the longer one stays."""

    def aside(self) -> Iterator[bytes]:
        """What was set aside so far."""


class DiskSpool:
    """A folder of this machine. Servers lock what they write, so what can be locked is closed.

    Args:
        folder: The model's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def segments(self) -> list[Segment]:
        """All segments, those of one stream in its order."""
        found = []
        for path in self._folder.glob("*.jsonl"):
            with contextlib.suppress(FileNotFoundError):  # another collector was faster
                found.append(Segment.named(path.name, path.stat().st_size))
        return _in_order(found)

    def read(self, segment: Segment, skipped: int, most: int) -> Piece | None:
        """A segment without its first bytes; at least one whole line, if there is one. None where it is gone."""
        try:
            with (self._folder / segment.name).open("rb") as file:
                closed = segment.ends and _is_mine(file.fileno())
                file.seek(skipped)
                content = file.read(max(most, 0))
                if b"\n" not in content:
                    content += file.readline()
                return Piece(content, closed and not file.read(1))
        except FileNotFoundError:
            return None

    def delete(self, segment: Segment) -> None:
        """Remove a segment, unless it is written to or has grown since it was looked at."""
        if not segment.ends:
            return
        path = self._folder / segment.name
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if _is_mine(file.fileno()) and os.fstat(file.fileno()).st_size == segment.size:
                path.unlink()

    def set_aside(self, name: str, content: bytes) -> str:
        """Keep lines that are no predictions, and say where; under a name that is there only the longer one stays."""
        aside = self._folder / "broken" / name
        aside.parent.mkdir(exist_ok=True)
        if not aside.exists() or aside.stat().st_size < len(content):
            partial = aside.with_suffix(f".{os.getpid()}.part")
            partial.write_bytes(content)
            partial.replace(aside)
        return str(aside)

    def aside(self) -> Iterator[bytes]:
        """What was set aside so far."""
        for path in sorted((self._folder / "broken").glob("*.txt")):
            yield path.read_bytes()


class BucketSpool:
    """A prefix in a bucket, to which servers send segments that are closed.

    Args:
        address: `s3://bucket/prefix`.
        model: The model's name.
        options: Keys, region and endpoint, named as for Delta tables; what is missing comes from the environment.

    Raises:
        DataError: It is no `s3://` address, or an option is unknown.
    """

    def __init__(self, address: str, model: str, options: Mapping[str, str]) -> None:
        self._folder, self._model = BucketFolder(address, options), model

    def segments(self) -> list[Segment]:
        """All segments, those of one stream in its order."""
        found = list(self._folder.files(self._model))
        if not found and not self._folder.is_there():  # a misspelt bucket would stay empty for ever
            raise FileNotFoundError(f"there is no bucket for {self._folder.address(self._model)}")
        return _in_order(Segment.named(seen.name.removeprefix(f"{self._model}/"), seen.size) for seen in found)

    def read(self, segment: Segment, skipped: int, most: int) -> Piece | None:  # noqa: ARG002  # it is small
        """A segment without its first bytes; None where it is gone."""
        try:
            return Piece(self._folder.fetch(f"{self._model}/{segment.name}")[skipped:], closed=True)
        except FileNotFoundError:
            return None

    def delete(self, segment: Segment) -> None:
        """Remove a segment."""
        with contextlib.suppress(FileNotFoundError):
            self._folder.remove(f"{self._model}/{segment.name}")

    def set_aside(self, name: str, content: bytes) -> str:
        """Keep lines that are no predictions, and say where."""
        aside = f"{self._model}/_broken/{name}"
        with tempfile.NamedTemporaryFile() as partial:
            partial.write(content)
            partial.flush()
            self._folder.take_in(Path(partial.name), aside)
        return self._folder.address(aside)

    def aside(self) -> Iterator[bytes]:
        """What was set aside so far."""
        for seen in self._folder.files(f"{self._model}/_broken"):
            yield self._folder.fetch(seen.name)


def _in_order(found: Iterable[Segment | None]) -> list[Segment]:
    return sorted((one for one in found if one), key=lambda one: (one.stream, one.start))


def _is_mine(file: int) -> bool:
    """Whether a file can be locked, and is, until it is closed here: then no server writes it any more."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file).st_nlink > 0
