"""Where experiments and versions are kept: an MLflow tracking server and registry."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, field_validator

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import TrackingUnavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["MlflowTracking"]

ANSWER_WITHIN_SECONDS = 5.0
OPENED: set[str] = set()
"""Databases whose tables are known to be whole, in this process."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
"""MLflow's own patience is many minutes a call; a caller's own setting stays."""


class MlflowTracking(Block):
    """An MLflow tracking server and model registry, a SQLite file by default.

    Example:
        Load a saved tracking block and ask for a model's champion:
        ```python
        from prefect_mlops.blocks import MlflowTracking

        tracking = MlflowTracking.load("BLOCK_NAME")
        version = tracking.champion("flights-late")
        ```
    """

    _block_type_name = "MLOps Tracking"
    _block_type_slug = "mlops-tracking"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    model_config = ConfigDict(hide_input_in_errors=True)

    tracking_uri: str = Field(
        default="", description="Any MLflow tracking URI, without password; a SQLite file under the home when empty."
    )
    username: str | None = Field(default=None, description="For a server with basic authentication, or a database.")
    password: SecretStr | None = Field(
        default=None, description="For a server with basic authentication, or a database."
    )
    token: SecretStr | None = Field(default=None, description="For a server with bearer authentication.")
    secret_arn: str = Field(
        default="", description="Secret with `username` and `password`, or `token`, as JSON; or with the plain token."
    )
    artifacts: str = Field(
        default="", description="Folder of the artifacts of a database URI; `artifacts` under the home when empty."
    )
    ui_url: str = Field(default="http://127.0.0.1:5000", description="Where people open the MLflow UI, for links.")

    @field_validator("tracking_uri")
    @classmethod
    def _holds_no_secret(cls, uri: str) -> str:
        if urlsplit(uri).password:
            raise ValueError("the URI holds a password, which the UI would show; use `username` and `password`")
        return uri

    def resolved_uri(self) -> str:
        """The tracking URI that is used, with the password where it is a database's: never print it."""
        uri = self.tracking_uri or f"sqlite:///{place('', 'mlflow.db')}"
        parts = urlsplit(uri)
        if self._remote() or not parts.netloc:
            return uri
        name, password, _ = self._credentials()
        if not password:
            return uri
        user = quote(name or parts.username or "", safe="")
        host = f"{user}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=host))

    def activate(self) -> None:
        """Make this process's fluent MLflow API, and the processes that it starts, use it.

        Raises:
            TrackingUnavailable: A server by HTTP does not answer within five seconds, or refuses the credentials.
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        for name, secret in zip(("USERNAME", "PASSWORD", "TOKEN"), self._credentials(), strict=True):
            if secret:
                os.environ[f"MLFLOW_TRACKING_{name}"] = secret
        self._require_answer()
        import mlflow

        mlflow.set_tracking_uri(self.resolved_uri())
        mlflow.set_registry_uri(self.resolved_uri())

    def client(self) -> MlflowClient:
        """A client for tracking and registry that has had its first answer.

        Raises:
            TrackingUnavailable: The server does not answer within five seconds or refuses the credentials, or the
                database cannot be opened.
        """
        self.activate()
        from mlflow import MlflowClient

        uri = self.resolved_uri()
        if self._remote():
            return MlflowClient(uri, uri)
        try:
            with _one_at_a_time(uri):
                client = MlflowClient(uri, uri)
                client.search_experiments(max_results=1)
        except Exception as error:  # of any driver; all say that the database cannot be used
            raise TrackingUnavailable(self._shown(), _reason(error, self._credentials()[1])) from None
        OPENED.add(uri)
        return client

    def experiment_id(self, model: str) -> str:
        """The experiment of a model; made when it is not there yet, restored when it was deleted.

        Raises:
            TrackingUnavailable: MLflow does not answer.
        """
        from mlflow.exceptions import MlflowException

        client = self.client()
        found = client.get_experiment_by_name(model)
        if found is None:
            location = None if self._remote() else place(self.artifacts, "artifacts").joinpath(model).as_uri()
            try:
                return str(client.create_experiment(model, artifact_location=location))
            except MlflowException:  # another run made it in between
                found = client.get_experiment_by_name(model)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def champion(self, model: str) -> int | None:
        """The version with the alias `champion`; None where there is none.

        Raises:
            TrackingUnavailable: MLflow does not answer.
        """
        return self.aliased(model, "champion")

    def aliased(self, model: str, alias: str) -> int | None:
        """The version with an alias; None where there is none.

        Raises:
            TrackingUnavailable: MLflow does not answer.
        """
        from mlflow.exceptions import MlflowException

        try:
            return int(self.client().get_model_version_by_alias(model, alias).version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def alias(self, model: str, version: int, alias: str) -> None:
        """Point an alias at a version, away from any other."""
        self.client().set_registered_model_alias(model, alias, str(version))

    def run_url(self, experiment: str, run: str) -> str:
        """Where people look at a run."""
        return f"{self.ui_url.rstrip('/')}/#/experiments/{experiment}/runs/{run}"

    def _credentials(self) -> tuple[str, str, str]:
        """User, password and token, each empty where there is none."""
        if self.secret_arn:
            from prefect_mlops.blocks.secretstore import as_login, read_secret_value

            secret = read_secret_value(self.secret_arn)
            login = as_login(secret) or {"token": secret}
            return login.get("username", ""), login.get("password", ""), login.get("token", "")
        password, token = (each.get_secret_value() if each else "" for each in (self.password, self.token))
        return self.username or "", password, token

    def _remote(self) -> bool:
        """Whether MLflow answers for itself, by HTTP, and knows where its artifacts are."""
        return self.tracking_uri.startswith(("http://", "https://", "databricks"))

    def _require_answer(self) -> None:
        """MLflow itself retries for minutes; what is down should be told of at once."""
        if self.tracking_uri.startswith(("http://", "https://")):
            self._require_server()
        elif "://" in self.resolved_uri():
            self._require_database()

    def _require_server(self) -> None:
        import httpx

        address = f"{self.tracking_uri.rstrip('/')}/api/2.0/mlflow/experiments/search"
        user, password, token = (
            os.environ.get(f"MLFLOW_TRACKING_{name}", "") for name in ("USERNAME", "PASSWORD", "TOKEN")
        )
        headers = {"Authorization": f"Bearer {token}"} if token and not user else {}
        try:
            answer = httpx.get(
                address,
                params={"max_results": 1},
                headers=headers,
                auth=(user, password) if user else None,
                timeout=ANSWER_WITHIN_SECONDS,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TrackingUnavailable(self._shown(), _reason(error, self._credentials()[1])) from None
        if answer.status_code in (401, 403):
            reason = f"it refuses the credentials of the tracking block ({answer.status_code})"
            raise TrackingUnavailable(self._shown(), reason)
        if answer.is_error:
            raise TrackingUnavailable(self._shown(), f"its API answers {answer.status_code}, so it is no MLflow server")

    def _require_database(self) -> None:
        import sqlalchemy as sa

        try:
            engine = sa.create_engine(self.resolved_uri(), poolclass=sa.NullPool)
            engine.connect().close()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise TrackingUnavailable(self._shown(), _reason(error, self._credentials()[1])) from None

    def _shown(self) -> str:
        """The address for people, without user or password."""
        uri = self.tracking_uri or self.resolved_uri()
        parts = urlsplit(uri)
        if not parts.netloc:
            return uri
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """Let one process at a time make MLflow's tables in a SQLite file: two at once leave half of them.

    The lock is a SQLite file of its own, which every system knows how to lock and frees when its holder dies.
    """
    if uri in OPENED or not uri.startswith("sqlite:///"):
        yield
        return
    path = uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"{path}.lock", timeout=120, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _reason(error: Exception, password: str) -> str:
    said = (str(error).splitlines() or [type(error).__name__])[0][:200] or type(error).__name__
    return said.replace(password, "***") if password else said
