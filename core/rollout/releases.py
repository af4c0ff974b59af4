"""Which release was begun and has not ended, as the ledger has it: what a run after a crash goes on with."""

from collections.abc import Sequence

from prefect_mlops.core.ledger import Record
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.reign import TAKES_OVER

__all__ = [
    "BEGUN",
    "ENDED",
    "RESUMED",
    "ROLLBACK_ASKED",
    "OpenRelease",
    "open_release",
    "rollback_asked",
    "undecided_version",
]

BEGUN, RESUMED, ENDED = "release.begun", "release.resumed", "release.ended"
ROLLBACK_ASKED = "rollback.asked"
STEPPED = "canary.step"
ASKED, GIVEN, REFUSED = "approval.asked", "approval.given", "approval.refused"
CLOSES = (ENDED, REFUSED, *TAKES_OVER)
"""Stages after which nothing is left to go on with, whoever was behind them."""


class OpenRelease(Frozen):
    """A release that has not ended.

    Attributes:
        version: The registry version that asks for traffic.
        champion: The version that was trusted when it began; 0 for none.
        at: When it began, ISO 8601.
        as_of: The time it belongs to, ISO 8601.
        resumed: How often a run has gone on with it.
        passed: The shares of the steps that it has passed; 0 for its shadow.
        asks: The run that waits for a person's answer; empty where none does.
        run: The run that began it or went on with it last; empty where the ledger is older than this.
        cancelled: Whether somebody cancelled it, so that it can only be undone.
    """

    version: int
    champion: int
    at: str
    as_of: str
    resumed: int = 0
    passed: tuple[int, ...] = ()
    asks: str = ""
    run: str = ""
    cancelled: bool = False


def open_release(records: Sequence[Record]) -> OpenRelease | None:
    """The release that was begun last, unless it has ended.

    Args:
        records: The model's records, oldest first.

    Returns:
        None where none was begun, or where it has ended, was rejected by a person, or a champion took over since.
    """
    found: OpenRelease | None = None
    for record in records:
        if record.stage == BEGUN:
            found = OpenRelease(
                version=int(record.subject),
                champion=record.body["champion"],
                at=record.at,
                as_of=record.as_of,
                run=record.body.get("run", ""),
            )
        elif record.stage in CLOSES:
            found = None
        elif found is None or record.subject != str(found.version):
            continue
        elif record.stage == RESUMED:
            cancelled = found.cancelled or record.body.get("cancelled", False)
            gone_on = {"resumed": found.resumed + 1, "run": record.body.get("run", ""), "cancelled": cancelled}
            found = found.model_copy(update=gone_on)
        elif record.stage in (ASKED, GIVEN):
            found = found.model_copy(update={"asks": record.body["run"] if record.stage == ASKED else ""})
        elif record.stage == STEPPED and record.body["step"]["outcome"] == "go on":
            found = found.model_copy(update={"passed": (*found.passed, int(record.body["share"]))})
    return found


def rollback_asked(records: Sequence[Record], version: int) -> str:
    """Why a version's release gives way to a rollback that somebody has asked for since it began; empty for none.

    Args:
        records: The model's records, oldest first.
        version: The version that is released.
    """
    why = ""
    for record in records:
        if record.stage == BEGUN and record.subject == str(version):
            why = ""
        elif record.stage == ROLLBACK_ASKED:
            why = (
                f"A rollback to version {record.subject} was asked for while version {version} rolled out "
                f"({record.body['reason']}); version {version} is undone."
            )
    return why


def undecided_version(records: Sequence[Record]) -> int:
    """The version whose release ended undecided, where nothing was begun and no champion took over since; 0 for none.

    Args:
        records: The model's records, oldest first.
    """
    last = next((record for record in reversed(records) if record.stage in (BEGUN, *CLOSES)), None)
    return int(last.subject) if last and last.stage == ENDED and last.body.get("outcome") == "Undecided" else 0
