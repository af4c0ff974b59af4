"""The file that holds a search's trials, which outlives whoever writes it at whatever moment."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

__all__ = ["open_journal"]


def open_journal(path: str) -> JournalStorage:
    """Optuna's journal, with a lock that a kill frees, waiting for the disk only when a trial ends.

    What a process has written is the kernel's, so a kill takes none of it. A machine that loses its power loses the
    trials that run there anyway; the ends of others are on its disk.

    Args:
        path: Of the file; it and its folder are made where they are not there.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    ends = {state.value for state in TrialState if state.is_finished()}

    class Journal(JournalFileBackend):
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            text = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs)
            lock.acquire()
            try:
                with Path(path).open("ab") as file:
                    file.write(text.encode())
                    file.flush()
                    if any(log.get("state") in ends for log in logs):
                        os.fsync(file.fileno())
            finally:
                lock.release()

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lock = _JournalLock(path)
    return JournalStorage(Journal(path, lock_obj=lock))  # type: ignore[arg-type]  # has a lock's two methods, not its class


class _JournalLock:
    """A lock that the kernel releases when its holder is killed; it takes away a line that was cut off."""

    def __init__(self, journal: str) -> None:
        self.journal, self.held = journal, -1

    def acquire(self) -> bool:
        self.held = os.open(f"{self.journal}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self.held, fcntl.LOCK_EX)
        with Path(self.journal).open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            if end and file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        os.close(self.held)
