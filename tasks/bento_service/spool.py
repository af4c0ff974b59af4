"""The log of predictions that a server writes: JSON lines, off the path of its requests; lies beside `service.py`.

A request hands its rows over and goes on; a thread makes lines of them and appends them to segments (`segments.py`).
`MLOPS_SPOOL` in the environment names a folder, or the `s3://bucket/prefix` to which closed segments are sent from the
folder `MLOPS_SPOOL_FOLDER`; `MLOPS_PERSONAL_KEY` is the key of the stand-ins for personal values.
"""

import hmac
import json
import logging
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from segments import Segments, Uploads

__all__ = ["Origin", "Spool"]

FLUSH_SECONDS = 0.2
"""How long lines gather before they are written: what a killed server loses at most."""
WAITING_ROWS = 20_000
LINES_AT_ONCE = 50
"""After so many lines they are written, and a request that waits for the interpreter gets it."""
ARMS = ("champion", "canary", "shadow")

logger = logging.getLogger("mlops.spool")


class Origin(NamedTuple):
    """Where a request came from: its id, the arm it was sent to (empty where nobody says), and whether it is heard."""

    request_id: str
    arm: str
    answered: bool


class Attempt(NamedTuple):
    """A request as it was handed over; without predictions where it failed."""

    at: float
    rows: Sequence[Mapping[str, Any]]
    predictions: Sequence[Any] | None
    latency_ms: float
    request_id: str
    arm: str
    answered: bool


class Spool:
    """Takes attempts from requests, without ever letting one wait, and makes lines of them in a thread of its own.

    Args:
        address: A folder, or `s3://bucket/prefix`.
        slot: The slot that this process serves.
        contract: What lies in `contract.json`.
    """

    def __init__(self, address: str, slot: str, contract: Mapping[str, Any]) -> None:
        from prometheus_client import Counter

        key = os.environ.get("MLOPS_PERSONAL_KEY", "")
        hashed = contract.get("personal_log") == "hashed"
        if hashed and not key:
            logger.warning("MLOPS_PERSONAL_KEY is not set: personal columns are left out of the prediction log.")
        self._line_of = Lines(slot, contract, key.encode() if hashed else b"")
        self._dropped = Counter("mlops_predictions_dropped", "Rows of attempts that the prediction log does not hold.")
        self._logged = Counter("mlops_predictions_logged", "Rows of attempts that the prediction log holds.")
        folder = Path(address)
        self._uploads = None
        if address.startswith("s3://"):
            default = f"{tempfile.gettempdir()}/mlops-spool"
            folder = Path(os.environ.get("MLOPS_SPOOL_FOLDER", default))
            self._uploads = Uploads(folder / contract["model"], f"{address.rstrip('/')}/{contract['model']}")
        self._segments = Segments(folder / contract["model"], slot, self._uploads.look if self._uploads else None)
        self._lock, self._awake, self._hurry = threading.Lock(), threading.Event(), threading.Event()
        self._ending = False
        self._waiting: list[Attempt] = []
        self._waiting_rows = 0
        self._writer = threading.Thread(target=self._write_all, name="spool", daemon=True)
        self._writer.start()

    @staticmethod
    def origin(headers: Mapping[str, str]) -> Origin:
        """Read a request's headers, whose names are in lower case.

        Envoy appends `-shadow` to the host of a mirrored request, whose answer nobody gets.

        Examples:
            >>> Spool.origin({"host": "m-shadow:8780", "x-request-id": "7", "x-mlops-arm": "champion"})
            Origin(request_id='7', arm='shadow', answered=False)
        """
        arm = headers.get("x-mlops-arm", "")
        if headers.get("host", "").partition(":")[0].endswith("-shadow"):
            arm = "shadow"
        request_id = headers.get("x-request-id", "")[:128] or uuid.uuid4().hex
        return Origin(request_id, arm if arm in ARMS else "", arm != "shadow")

    def record(
        self,
        rows: Sequence[Mapping[str, Any]],
        predictions: Sequence[Any],
        latency_ms: float,
        *,
        request_id: str = "",
        arm: str = "",
        answered: bool = True,
    ) -> None:
        """Hand over an answered request: its rows, what was said of each, how long it took; none of it may change."""
        self._hand_over(Attempt(time.time(), rows, predictions, latency_ms, request_id, arm, answered))

    def failed(
        self,
        rows: Sequence[Mapping[str, Any]],
        latency_ms: float,
        *,
        request_id: str = "",
        arm: str = "",
        answered: bool = False,  # noqa: ARG002  # so that both take what `origin` says
    ) -> None:
        """Hand over a request that the model failed; whoever asked got no answer from this server."""
        self._hand_over(Attempt(time.time(), rows, None, latency_ms, request_id, arm, False))

    def close(self) -> None:
        """Write what still waits, close the segment, and send it where it is to be sent."""
        self._ending = True
        self._hurry.set()
        self._awake.set()
        self._writer.join(timeout=5)
        if self._uploads:
            self._uploads.close()

    def _hand_over(self, attempt: Attempt) -> None:
        count = len(attempt.rows)
        with self._lock:
            full = self._waiting_rows > 0 and self._waiting_rows + count > WAITING_ROWS
            if not full:
                self._waiting.append(attempt)
                self._waiting_rows += count
        if full:
            self._dropped.inc(count)
        elif self._waiting_rows > WAITING_ROWS / 2:
            self._hurry.set()
        if not self._awake.is_set():
            self._awake.set()

    def _write_all(self) -> None:
        while not self._ending:
            if self._awake.wait(self._segments.patience()):
                self._hurry.wait(FLUSH_SECONDS)
                self._hurry.clear()
                self._awake.clear()
            self._flush()
        self._flush()
        if lost := self._segments.close():
            logger.warning("%d lines of the prediction log could not be written.", lost)
            self._dropped.inc(lost)

    def _flush(self) -> None:
        """Write what waits; without anything new, what could not be written before."""
        with self._lock:
            attempts, self._waiting, self._waiting_rows = self._waiting, [], 0
        lines: list[bytes] = []
        asked, taken, before = 0, 0, self._segments.written
        for attempt in attempts:
            asked += len(attempt.rows)
            try:
                lines += self._line_of.each(attempt)
            except Exception as error:  # whatever a row holds, the log of all others goes on
                logger.warning("An attempt cannot be logged (%s: %s).", type(error).__name__, str(error)[:200])
            if len(lines) >= LINES_AT_ONCE:
                taken += self._segments.append(lines)
                lines = []
                time.sleep(0)
        taken += self._segments.append(lines)
        self._logged.inc(self._segments.written - before)
        self._dropped.inc(asked - taken)


class Lines:
    """Makes lines of attempts.

    Args:
        slot: The slot that this process serves.
        contract: What lies in `contract.json`.
        key: The key of the stand-ins; personal columns are left out where it is empty.
    """

    def __init__(self, slot: str, contract: Mapping[str, Any], key: bytes) -> None:
        self._contract, self._slot, self._secret = contract, slot, key
        personal = contract["personal"]
        named = [field["name"] for field in contract["fields"]]
        self._open = [name for name in named if name not in personal]
        self._hidden = [name for name in named if name in personal] if key else []
        self._keys = [(name, name in personal) for name in contract["key"]]
        self._dumps = _fastest_json()

    def each(self, attempt: Attempt) -> Iterator[bytes]:
        """The lines of one attempt, one a row."""
        contract, dumps = self._contract, self._dumps
        request_id = attempt.request_id or uuid.uuid4().hex
        moment = datetime.fromtimestamp(attempt.at, UTC).isoformat(timespec="microseconds")
        for place, row in enumerate(attempt.rows):
            said = attempt.predictions[place] if attempt.predictions is not None else None
            happened = row.get(contract["time"]) if contract["time"] else None
            features = {name: row[name] for name in self._open}
            for name in self._hidden:
                features[name] = None if row[name] is None else self._stand_in(_text(row[name]))
            yield (
                dumps(
                    {
                        "prediction_id": said.id if said else uuid.uuid4().hex,
                        "request_id": request_id,
                        "row": place,
                        "model": contract["model"],
                        "version": contract["version"],
                        "slot": self._slot,
                        "arm": attempt.arm,
                        "answered": attempt.answered,
                        "predicted_at": moment,
                        "key": self._key(row),
                        "event_time": _utc(happened).isoformat(timespec="microseconds")
                        if isinstance(happened, datetime)
                        else None,
                        "prediction": str(said.prediction) if said else None,
                        "score": said.score if said else None,
                        "probabilities": (
                            dumps(list(said.probabilities.values())).decode() if said and said.probabilities else None
                        ),
                        "latency_ms": attempt.latency_ms,
                        "features": dumps(features).decode(),
                    }
                )
                + b"\n"
            )

    def _key(self, row: Mapping[str, Any]) -> str:
        """The bare text of one column, a JSON list of several; empty where a part did not come or may not be told."""
        texts = []
        for name, personal in self._keys:
            value = row.get(name)
            if value is None or (personal and not self._secret):
                return ""
            texts.append(self._stand_in(_text(value)) if personal else _text(value))
        return texts[0] if len(texts) == 1 else json.dumps(texts)

    def _stand_in(self, text: str) -> str:
        """As `core.privacy.pseudonymise` makes it, so that rows can be matched by whoever has the key."""
        return "hmac:" + hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]


def _text(value: Any) -> str:
    """As the key of a row of a table is written: 7.0 is 7, and a time is in UTC."""
    if isinstance(value, datetime):
        return _utc(value).isoformat()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _fastest_json() -> Callable[[Any], bytes]:
    try:
        import orjson
    except ModuleNotFoundError:
        return _plain_json

    def dumps(value: Any) -> bytes:
        try:
            return orjson.dumps(value)
        except TypeError:  # a whole number beyond 64 bits, which it does not write
            return _plain_json(value)

    return dumps


def _plain_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
