"""Every event carries every key, and the rows that it is about whole."""

from typing import Any

import pytest

from prefect_mlops.core.events import event_payload
from prefect_mlops.core.lineage import DataVersion

ROWS = DataVersion(table="churn-accepted", version=7, rows=2, digest="d" * 64, columns={"id": "int64"})
LABELS = ROWS.model_copy(update={"table": "churn-labels", "version": 3})


def keys_of(found: dict[str, Any]) -> dict[str, set[str]]:
    return {name: set(part) if isinstance(part, dict) else set() for name, part in found.items()}


@pytest.mark.parametrize("known", [{}, {"data": ROWS}, {"data": ROWS, "labels": LABELS}, {"reason": "r", "batch": "b"}])
def test_the_keys_are_the_same_whatever_is_known(known: dict[str, Any]) -> None:
    assert keys_of(event_payload(**known)) == keys_of(event_payload())


def test_the_data_version_travels_whole() -> None:
    found = event_payload(data=ROWS, labels=LABELS)

    assert DataVersion.model_validate(found["data"]) == ROWS
    assert DataVersion.model_validate(found["labels"]) == LABELS
    assert (found["data_version"], found["labels_version"]) == (7, 3)


def test_what_must_be_read_may_be_newer_than_what_the_event_is_about() -> None:
    found = event_payload(data=ROWS, data_version=9)

    assert (found["data_version"], found["data"]["version"]) == (9, 7)


def test_without_data_there_is_no_version_and_no_digest() -> None:
    found = event_payload()

    assert (found["data_version"], found["labels_version"]) == (-1, -1)
    assert (found["data"]["digest"], found["labels"]["table"]) == ("", "")


def test_a_template_of_an_automation_reaches_the_digest() -> None:
    from prefect.events import Event
    from prefect.server.utilities.user_templates import render_user_template_sync

    event = Event(event="mlops.data.accepted", resource={"prefect.resource.id": "x"}, payload=event_payload(data=ROWS))

    told = render_user_template_sync(
        "{{ event.payload.data.digest }} {{ event.payload.labels.rows }}", {"event": event}
    )

    assert told == f"{ROWS.digest} 0"
