"""The files of the prediction log: segments of one server's stream on its disk, and their way into a bucket.

What one server writes is one stream, and a segment's name says at which byte of it the segment begins:
`<slot>-<pid>-<ms>-<chance>.<byte>.jsonl`. Whoever writes a segment holds a lock on it (flock), which the system takes
away when that process ends, however it ends: a segment that can be locked is closed. `MLOPS_SPOOL_MEGABYTES` in the
environment is the most that the segments of one model may take on this disk.
"""

import contextlib
import fcntl
import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Segments", "Uploads"]

UNWRITTEN_BYTES = 4_000_000
SEGMENT_BYTES, SEGMENT_SECONDS = 8_000_000, 15.0
SPOOL_MEGABYTES = 1024
RETRY_SECONDS, QUIET_SECONDS = 1.0, 60.0
UPLOAD_RETRY_SECONDS = 5.0
NAME = re.compile(r"(?P<stream>.+)\.(?P<start>\d+)\.jsonl")

logger = logging.getLogger("mlops.spool")


class Segments:
    """Appends lines to files of bounded size and age; what does not fit on the disk waits, up to a bound.

    Args:
        folder: Where the model's segments lie.
        slot: The slot that this process serves.
        when_closed: Called whenever a segment is closed.

    Attributes:
        written: How many lines are whole on the disk.
    """

    def __init__(self, folder: Path, slot: str, when_closed: Callable[[], None] | None = None) -> None:
        self._folder, self._when_closed = folder, when_closed
        self._stream = f"{slot}-{os.getpid()}-{time.time_ns() // 1_000_000}-{uuid.uuid4().hex[:8]}"
        self._most = int(float(os.environ.get("MLOPS_SPOOL_MEGABYTES", SPOOL_MEGABYTES)) * 1_000_000)
        self._file, self._opened = -1, 0.0
        self._begins = self._size = self.written = 0
        self._unwritten = b""
        self._torn = False
        self._again_at = self._quiet_until = 0.0

    def append(self, lines: Sequence[bytes]) -> int:
        """Write lines, and before them what waited; returns how many were taken."""
        if self._unwritten:
            self._try()
        room = UNWRITTEN_BYTES - len(self._unwritten)
        taken = 0
        for line in lines:
            room -= len(line)
            if room < 0:
                break
            taken += 1
        self._unwritten += b"".join(lines[:taken])
        self._try()
        return taken

    def patience(self) -> float | None:
        """In how many seconds something is due although nothing new comes; None for never."""
        if self._unwritten:
            return RETRY_SECONDS
        return max(self._opened + SEGMENT_SECONDS - time.monotonic(), 0.01) if self._file >= 0 else None

    def close(self) -> int:
        """Write what waits, now or never, and close the segment; returns how many lines are lost."""
        self._again_at = 0.0
        self._try()
        self._cut()
        return self._unwritten.count(b"\n")

    def _try(self) -> None:
        """Write what waits; where that fails, not again for a while."""
        now = time.monotonic()
        if now < self._again_at:
            return
        try:
            self._write()
        except OSError as error:
            self._again_at = now + RETRY_SECONDS
            if now >= self._quiet_until:
                self._quiet_until = now + QUIET_SECONDS
                said = "The prediction log cannot be written (%s): it waits, and what is too much for that is counted."
                logger.warning(said, error)

    def _write(self) -> None:
        """A short write leaves half a line: its rest goes first next time, so that every line is whole in the end."""
        if self._file >= 0 and not os.fstat(self._file).st_nlink:  # somebody removed it, with what it held
            logger.warning("A segment of the prediction log was removed while it was written.")
            if self._torn:
                self._unwritten = self._unwritten.partition(b"\n")[2]
            self._torn = False
            self._cut()
        while self._unwritten:
            if self._file < 0:
                self._open()
            written = os.write(self._file, self._unwritten)
            self._torn = self._unwritten[written - 1] != 10
            self.written += self._unwritten.count(b"\n", 0, written)
            self._unwritten = self._unwritten[written:]
            self._size += written
        old = time.monotonic() - self._opened >= SEGMENT_SECONDS
        if self._file >= 0 and not self._torn and (old or self._size >= SEGMENT_BYTES):
            self._cut()

    def _open(self) -> None:
        """Make the next segment. Whoever collects may have taken it for a dead one before it was locked."""
        self._folder.mkdir(parents=True, exist_ok=True)
        held = _bytes_in(self._folder)
        if held and held + SEGMENT_BYTES > self._most:
            raise OSError(f"segments hold {held / 1e6:.0f} MB of the {self._most / 1e6:.0f} that they may")
        path = self._folder / f"{self._stream}.{self._begins:012d}.jsonl"
        while self._file < 0:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_nlink:
                self._file, self._opened, self._size = file, time.monotonic(), 0
            else:
                os.close(file)

    def _cut(self) -> None:
        if self._file < 0:
            return
        os.close(self._file)
        self._file = -1
        self._begins += self._size
        if self._when_closed:
            self._when_closed()


class Uploads:
    """Sends closed segments to a bucket in a thread of its own, oldest first, and removes them here.

    A segment that is sent twice, since its server died between the two, lands under the same key, and whoever collects
    knows how far its stream was read. Needs boto3, which takes keys, region and address from the environment.

    Args:
        folder: Where the model's segments lie; those of servers that died are sent too.
        address: `s3://bucket/prefix/model`.
    """

    def __init__(self, folder: Path, address: str) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ModuleNotFoundError as error:  # a bento's own lock has no client of a bucket
            cure = "Install boto3 in the serving image, or name a folder in MLOPS_SPOOL"
            raise RuntimeError(f"The prediction log goes to {address}, and boto3 is not installed. {cure}.") from error

        patience = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
        self._client = boto3.client("s3", config=patience)
        self._bucket, _, self._prefix = address.removeprefix("s3://").partition("/")
        self._folder = folder
        self._due, self._ending = threading.Event(), threading.Event()
        self._quiet_until = 0.0
        self._due.set()  # another server may have left some
        self._sender = threading.Thread(target=self._send_all, name="spool-uploads", daemon=True)
        self._sender.start()

    def look(self) -> None:
        """Say that a segment was closed."""
        self._due.set()

    def close(self) -> None:
        """Send what is closed, for a few seconds at most; what cannot be sent stays for the next server here."""
        self._ending.set()
        self._due.set()
        self._sender.join(timeout=10)

    def _send_all(self) -> None:
        patience = None
        while not self._ending.is_set():
            self._due.wait(patience)
            self._due.clear()
            patience = None if self._send() else UPLOAD_RETRY_SECONDS
        self._send()

    def _send(self) -> bool:
        """Send in the order of the streams: a segment never arrives before the one that it follows."""
        try:
            for path in _in_order(self._folder):
                with _closed(path) as file:
                    if file is None:
                        continue
                    self._put(path.name, file)
                    path.unlink()
        except Exception as error:  # no bucket, no access, no answer: the segments stay
            if time.monotonic() >= self._quiet_until:
                self._quiet_until = time.monotonic() + QUIET_SECONDS
                logger.warning("The prediction log cannot be sent to s3://%s (%s).", self._bucket, str(error)[:300])
            return False
        return True

    def _put(self, name: str, file: Any) -> None:
        content = file.read()
        if content:
            key = f"{self._prefix}/{name}" if self._prefix else name
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)


def _in_order(folder: Path) -> list[Path]:
    """Segments by their streams and where they begin."""
    named = [(NAME.fullmatch(path.name), path) for path in folder.glob("*.jsonl")]
    return [path for _, _, path in sorted((m["stream"], int(m["start"]), path) for m, path in named if m)]


@contextlib.contextmanager
def _closed(path: Path) -> Iterator[Any]:
    """A segment under its lock; None where somebody writes it still, or has removed it."""
    with contextlib.ExitStack() as held:
        try:
            file = held.enter_context(path.open("rb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, FileNotFoundError):
            yield None
            return
        yield file if os.fstat(file.fileno()).st_nlink else None


def _bytes_in(folder: Path) -> int:
    total = 0
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # collected meanwhile
            total += entry.stat().st_size if entry.is_file() else 0
    return total
