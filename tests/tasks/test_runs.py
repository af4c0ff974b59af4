"""What a step learns of the run it belongs to."""

from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow

from prefect_mlops.tasks.runs import time_of_run

pytestmark = pytest.mark.process


@pytest.mark.usefixtures("prefect_api")
def test_the_scheduled_time_of_a_run_keeps_its_zone_when_days_are_taken_from_it() -> None:
    moments: list[datetime] = []

    @flow
    def look() -> None:
        moments.append(time_of_run(None))

    look()

    assert (moments[0] - timedelta(days=1)).tzinfo is UTC
    assert type(moments[0]) is datetime
