"""The log of predictions that a server writes: JSON lines, off the path of its requests; lies beside `service.py`."""

import json
import os
import queue
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WAITING_REQUESTS = 1000
UNWRITTEN_BYTES = 4_000_000


class Spool:
    """Appends lines to a file of this process, off the request's path; what cannot be written is counted."""

    def __init__(self, folder: str, slot: str, contract: dict[str, Any]) -> None:
        from prometheus_client import Counter

        self._contract, self._slot = contract, slot
        named = (field["name"] for field in contract["fields"])
        self._features = [name for name in named if name not in contract["personal"]]
        self._folder = Path(folder) / contract["model"]
        self._name = f"{slot}-{os.getpid()}-{time.time_ns() // 1_000_000}.jsonl"
        self._waiting: queue.Queue[list[dict[str, Any]] | None] = queue.Queue(WAITING_REQUESTS)
        self._file = -1
        self._unwritten = b""
        self._dropped = Counter("mlops_predictions_dropped", "Answered rows that the prediction log does not hold.")
        self._writer = threading.Thread(target=self._write_all, name="spool", daemon=True)
        self._writer.start()

    def record(self, rows: list[dict[str, Any]], predictions: list[Any], latency_ms: float, **_: Any) -> None:
        """Hand over one answered request: its rows, what was said of each, and how long it took; never waits."""
        self.put([self._line(*pair, latency_ms) for pair in zip(rows, predictions, strict=True)])

    def failed(self, rows: list[dict[str, Any]], latency_ms: float, **_: Any) -> None:
        """Hand over one request that the model could not answer."""

    def put(self, lines: list[dict[str, Any]]) -> None:
        """Hand over the lines of one request; never waits."""
        try:
            self._waiting.put_nowait(lines)
        except queue.Full:
            self._dropped.inc(len(lines))

    def close(self) -> None:
        """Write what still waits."""
        self._waiting.put(None)
        self._writer.join(timeout=5)

    def _write_all(self) -> None:
        while (lines := self._waiting.get()) is not None:
            self._append(lines)

    def _append(self, lines: list[dict[str, Any]]) -> None:
        """A short write leaves half a line: its rest goes first next time, so that every line is whole in the end."""
        if len(self._unwritten) < UNWRITTEN_BYTES:
            self._unwritten += b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        else:
            self._dropped.inc(len(lines))
        try:
            if self._file < 0:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._folder / self._name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            self._unwritten = self._unwritten[os.write(self._file, self._unwritten) :]
        except OSError:
            return

    def _line(self, row: dict[str, Any], said: Any, latency_ms: float) -> dict[str, Any]:
        contract = self._contract
        happened = row.get(contract["time"]) if contract["time"] else None
        return {
            "prediction_id": said.id,
            "model": contract["model"],
            "version": contract["version"],
            "slot": self._slot,
            "predicted_at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "key": _key([row.get(name) for name in contract["key"]]),
            "event_time": _utc(happened).isoformat(timespec="microseconds") if isinstance(happened, datetime) else None,
            "prediction": str(said.prediction),
            "score": said.score,
            "probabilities": json.dumps(list(said.probabilities.values())) if said.probabilities else None,
            "latency_ms": latency_ms,
            "features": json.dumps({name: row[name] for name in self._features}),
        }


def _key(values: list[Any]) -> str:
    """The bare text of one column, a JSON list of several; empty where a part of it did not come."""
    if any(value is None for value in values):
        return ""
    texts = [str(_utc(value)) if isinstance(value, datetime) else str(value) for value in values]
    return texts[0] if len(texts) == 1 else json.dumps(texts)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
