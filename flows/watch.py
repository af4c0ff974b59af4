"""Watch, without end, where batches land and which releases stopped, so that none of them waits for a lost event."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_mlops.tasks import watch_models

__all__ = ["watch"]


@flow(name="mlops-watch")
def watch(models: list[str], environment: str = "default") -> State:
    """Announce which models have batches waiting, and which have a release that stopped and that nothing has answered.

    It runs until it is cancelled or its deployment names other models, and is then started anew within two minutes:
    that is how it takes up changed blocks and newer code. To stop it for good, switch off its automation.

    Args:
        models: The models to look for; each has a subfolder of its name in the landing folder.
        environment: Name of the block documents: the landing folder's, and the queue's where one is saved.
    """
    return Completed(name="Outdated", message=watch_models(environment, models))
