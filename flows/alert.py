"""Tell people that an automation could not act."""

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.tasks import run_logger

__all__ = ["alert"]


@flow(name="mlops-alert")
def alert(what: str) -> State:
    """Say in the UI, and at ERROR in the log, that something needs a person.

    Args:
        what: What could not be done, and why.
    """
    run_logger().error("An automation could not act: %s", what)
    cure = "Look at the automation's events, mend what it names, and send the event again."
    report = f"# An automation could not act\n\n{what}\n\n{cure}"
    create_markdown_artifact(report, key="mlops-alert", description=what)
    return Completed(name="Told", message=what)
