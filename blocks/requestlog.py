"""The requests of rollouts as the gateway wrote them, a JSON line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from prefect_mlops.blocks.envoyadmin import command
from prefect_mlops.core.names import Slot
from prefect_mlops.core.rollout.requests import Request

__all__ = ["RequestsSeen", "read_requests", "reopen", "requests_file"]

LEFT = {"DC", "DR"}
"""Envoy's flags for a caller who went away: no failure of the version that was asked."""


class RequestsSeen(NamedTuple):
    """What was read, and where to go on."""

    requests: tuple[Request, ...]
    position: int


def requests_file(folder: Path) -> Path:
    """Where the gateway writes them; made so that only its owner reads the names of users there."""
    path = folder / "logs" / "requests.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    return path


def read_requests(folder: Path, model: str, rollout: int, canary: Slot, position: int = 0) -> RequestsSeen:
    """Read the requests of one rollout that are whole lines by now.

    Args:
        folder: The target's.
        model: Whose requests.
        rollout: Number of the rollout; lines of an earlier one are passed over.
        canary: The slot of the version that is tried.
        position: Byte to begin at, as told by the reading before.
    """
    path = requests_file(folder)
    with path.open("rb") as file:
        file.seek(position if position <= path.stat().st_size else 0)
        begun, content = file.tell(), file.read()
    whole = content[: content.rfind(b"\n") + 1]
    named = f'\\"model\\": \\"{model}\\"'.encode()
    seen = [_request(json.loads(line), rollout, canary) for line in whole.splitlines() if named in line]
    return RequestsSeen(tuple(request for request in seen if request), begun + len(whole))


def reopen(folder: Path, admin: str) -> None:
    """Begin a new file: no rollout goes on, and what was asked in the last one is nobody's business any more."""
    requests_file(folder).unlink()
    requests_file(folder)
    command(admin, "/reopen_logs")


def _request(line: dict[str, Any], rollout: int, canary: Slot) -> Request | None:
    divided = json.loads(line["rollout"])
    if divided["rollout"] != rollout or canary not in divided["shares"]:
        return None
    left = not LEFT.isdisjoint((line["flags"] or "").split(","))
    return Request(
        chain=line["chain"] or "",
        user=line["user"] or "",
        on_canary=line["slot"] == canary,
        percent=divided["shares"][canary],
        failed=line["attempts"] > 1 or (not left and not 0 < line["status"] < 500),
        milliseconds=(line["microseconds"] or 0) / 1000,
        slot=line["slot"] or "",
    )
