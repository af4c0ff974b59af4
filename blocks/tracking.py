"""Where experiments and versions are kept: an MLflow tracking server and registry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import TrackingUnavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["MlflowTracking"]


class MlflowTracking(Block):
    """An MLflow tracking server and model registry, a SQLite file by default.

    Example:
        Load a saved tracking block and ask for a model's champion:
        ```python
        from prefect_mlops.blocks import MlflowTracking

        tracking = MlflowTracking.load("default")
        version = tracking.champion("flights-late")
        ```
    """

    _block_type_name = "MLOps Tracking"
    _block_type_slug = "mlops-tracking"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    tracking_uri: str = Field(default="", description="Any MLflow tracking URI; a SQLite file under the home when empty.")
    username: str | None = Field(default=None, description="For servers with basic authentication.")
    password: SecretStr | None = Field(default=None, description="For servers with basic authentication.")
    token: SecretStr | None = Field(default=None, description="For servers with bearer authentication.")
    artifacts: str = Field(
        default="", description="Folder of the artifacts where the URI is a database; `artifacts` under the home when empty."
    )
    ui_url: str = Field(default="http://127.0.0.1:5000", description="Where people open the MLflow UI, for links.")

    def resolved_uri(self) -> str:
        """The tracking URI that is used."""
        return self.tracking_uri or f"sqlite:///{place('', 'mlflow.db')}"

    def activate(self) -> None:
        """Make this process's fluent MLflow API use it.

        Raises:
            TrackingUnavailable: A server by HTTP does not answer within five seconds.
        """
        uri = self.resolved_uri()
        self._require_answer(uri)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        for name, value in (
            ("MLFLOW_TRACKING_USERNAME", self.username),
            ("MLFLOW_TRACKING_PASSWORD", self.password and self.password.get_secret_value()),
            ("MLFLOW_TRACKING_TOKEN", self.token and self.token.get_secret_value()),
        ):
            if value:
                os.environ[name] = value
        import mlflow

        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)

    def client(self) -> MlflowClient:
        """A client for tracking and registry.

        Raises:
            TrackingUnavailable: A server by HTTP does not answer within five seconds.
        """
        self.activate()
        from mlflow import MlflowClient

        uri = self.resolved_uri()
        return MlflowClient(uri, uri)

    def experiment_id(self, model: str) -> str:
        """The experiment of a model; made when it is not there yet."""
        from mlflow.exceptions import MlflowException

        client = self.client()
        found = client.get_experiment_by_name(model)
        if found is None:
            database = not self.resolved_uri().startswith(("http", "databricks"))
            location = place(self.artifacts, "artifacts").joinpath(model).as_uri() if database else None
            try:
                return str(client.create_experiment(model, artifact_location=location))
            except MlflowException:  # another run made it in between
                found = client.get_experiment_by_name(model)
                if found is None:
                    raise
        return str(found.experiment_id)

    def champion(self, model: str) -> int | None:
        """The version with the alias `champion`; None where there is none."""
        from mlflow.exceptions import MlflowException

        try:
            return int(self.client().get_model_version_by_alias(model, "champion").version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def run_url(self, experiment: str, run: str) -> str:
        """Where people look at a run."""
        return f"{self.ui_url.rstrip('/')}/#/experiments/{experiment}/runs/{run}"

    def _require_answer(self, uri: str) -> None:
        """MLflow itself retries for minutes; a server that is down should be told of at once."""
        if not uri.startswith("http"):
            return
        import httpx

        try:
            httpx.get(f"{uri.rstrip('/')}/health", timeout=5)
        except httpx.HTTPError as error:
            address = httpx.URL(uri).copy_with(userinfo=b"")
            raise TrackingUnavailable(str(address), type(error).__name__) from error
