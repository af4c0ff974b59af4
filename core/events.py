"""The facts and states that flows announce, and what each event carries.

A *state* (`MODEL_DEGRADED`, `CHAMPION_MISSING`) is announced again at every look while it lasts, and the
trigger's cool-down makes one reaction of many announcements. A *fact* is announced once and carries its
`subject` (a batch or a version) as a resource label, which the trigger's `for_each` names. How a release run
ended (`RELEASE_STOPPED`, `RELEASE_CANCELLED`, `RELEASE_FAILED`) is a state of that run until it is answered.
"""

from enum import StrEnum
from typing import Any

from prefect_mlops.core.lineage import DataVersion

__all__ = ["SUBJECT_LABEL", "Event", "event_payload", "model_resource"]

SUBJECT_LABEL = "mlops.subject"
NO_DATA = DataVersion(table="", version=-1, rows=0, digest="")


class Event(StrEnum):
    """Every event this package emits."""

    DATA_LANDED = "mlops.data.landed"
    DATA_ACCEPTED = "mlops.data.accepted"
    DATA_QUARANTINED = "mlops.data.quarantined"
    DATA_DRIFTED = "mlops.data.drifted"
    LABELS_ARRIVED = "mlops.labels.arrived"
    CHAMPION_MISSING = "mlops.champion.missing"
    CHAMPION_PROMOTED = "mlops.champion.promoted"
    CHAMPION_ROLLED_BACK = "mlops.champion.restored"
    MODEL_DEGRADED = "mlops.model.degraded"
    HEALTH_BREACHED = "mlops.health.breached"
    CANDIDATE_ACCEPTED = "mlops.candidate.accepted"
    CANDIDATE_REJECTED = "mlops.candidate.rejected"
    CANDIDATE_UNDECIDED = "mlops.candidate.deferred"
    HEALTH_WATCHED = "mlops.health.watched"
    APPROVAL_ASKED = "mlops.approval.asked"
    APPROVAL_REFUSED = "mlops.approval.refused"
    CANARY_FAILED = "mlops.canary.failed"
    CANARY_STEPPED = "mlops.canary.stepped"
    COMPARISON_ENDED = "mlops.comparison.ended"
    SCORES_WRITTEN = "mlops.scores.written"
    LANDING_WATCHED = "mlops.landing.watched"
    RELEASE_STOPPED = "mlops.release.stopped"
    RELEASE_CANCELLED = "mlops.release.cancelled"
    RELEASE_FAILED = "mlops.release.failed"


def model_resource(model: str, subject: str) -> dict[str, str]:
    """The resource that an event is about: the model, with the batch or version as a label.

    Examples:
        >>> model_resource("flights-late", "2013-04")
        {'prefect.resource.id': 'mlops.model.flights-late', 'mlops.subject': '2013-04'}
    """
    return {"prefect.resource.id": f"mlops.model.{model}", SUBJECT_LABEL: subject}


def event_payload(
    *,
    as_of: str = "",
    batch: str = "",
    version: int = 0,
    data_version: int = -1,
    labels_version: int = -1,
    data: DataVersion | None = None,
    labels: DataVersion | None = None,
    reason: str = "",
    began: str = "",
) -> dict[str, Any]:
    """What every event carries, each key always there: a trigger that names a missing key starts no run.

    `data_version` and `labels_version` are what whoever reacts must read; `data` and `labels` describe whole which
    rows the event is about, with their digest: a template may name `event.payload.data.digest`.

    Args:
        as_of: The time the fact belongs to, ISO 8601.
        batch: The batch, for events about data.
        version: The registry version, for events about a candidate or champion; 0 for none.
        data_version: The version of the table of accepted rows; by default that of `data`, -1 for none.
        labels_version: The version of the table of labels; by default that of `labels`, -1 for none.
        data: The accepted rows.
        labels: The labels; the accepted rows where labels come with them.
        reason: One sentence for people.
        began: Since when it is so, ISO 8601, for states that can tell.

    Examples:
        >>> rows = DataVersion(table="flights-late-accepted", version=7, rows=2, digest="5e")
        >>> said = event_payload(data=rows)
        >>> said["data_version"], said["data"]["digest"], said["labels"]["digest"]
        (7, '5e', '')
    """
    rows, known = data or NO_DATA, labels or NO_DATA
    return {
        "as_of": as_of,
        "batch": batch,
        "version": version,
        "data_version": data_version if data_version >= 0 else rows.version,
        "labels_version": labels_version if labels_version >= 0 else known.version,
        "data": rows.model_dump(mode="json"),
        "labels": known.model_dump(mode="json"),
        "reason": reason,
        "began": began,
    }
