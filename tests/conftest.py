"""What all tests share: places of their own, a free port, one real Prefect server and workers for it, S3 and SQS."""

import itertools
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

# The same examples in every run, so that a red run is about the change; HYPOTHESIS_PROFILE=search looks for others.
settings.register_profile("steady", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# Before anything imports Prefect, MLflow or BentoML: they read these when they are imported.
_numbers = itertools.count()
_ROOT = Path(tempfile.mkdtemp(prefix="prefect-mlops-tests-"))
for _name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_", "BENTOML_"))]:
    del os.environ[_name]
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ.update(
    {
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_HOME": str(_ROOT / "bentoml"),
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Small fits wait for their threads longer than they compute.
        "OMP_NUM_THREADS": "1",
        "PREFECT_HOME": str(_ROOT / "prefect"),
        "PREFECT_INTEGRATIONS_MLOPS_HOME": str(_ROOT / "mlops"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # A flow called without `prefect_api` starts a server of its own, whose database must first be made.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
)


class PrefectServer(NamedTuple):
    """A running server.

    Attributes:
        url: Its API, for `PREFECT_API_URL`.
        env: The environment in which commands and workers talk to it.
        home: Its `PREFECT_HOME`.
    """

    url: str
    env: dict[str, str]
    home: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start processes come first, in their order: at the end, quick ones keep both cores busy."""
    long = {item.path for item in items if item.get_closest_marker("process")}
    items.sort(key=lambda item: item.path not in long)


def pytest_sessionfinish() -> None:
    """Leave nothing behind."""
    import shutil

    shutil.rmtree(_ROOT, ignore_errors=True)


@pytest.fixture(autouse=True)
def _places_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what another one left under the home of the settings, or the user's own."""
    folder = tmp_path_factory.getbasetemp() / f"home-{next(_numbers)}"
    monkeypatch.setenv("PREFECT_INTEGRATIONS_MLOPS_HOME", str(folder))


@pytest.fixture
def home() -> Path:
    """The folder under which every default place of this test lies."""
    folder = Path(os.environ["PREFECT_INTEGRATIONS_MLOPS_HOME"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A function that names a port on 127.0.0.1 on which nobody listens."""
    return _free_port


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One real `prefect server start` for the whole session, on SQLite in a folder of its own."""
    from prefect_mlops.deployments.demo.servers import start_server

    folder, port = tmp_path_factory.mktemp("prefect-server"), _free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {
        **os.environ,
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": url,
        "PREFECT_DEPLOYMENT_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "1",
        "PREFECT_MESSAGING_BROKER": "prefect_mlops.deployments.broker",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_UI_ENABLED": "false",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = start_server("Prefect server", command, env, folder / "server.log", f"{url}/health")
    yield PrefectServer(url, env, folder)
    server.stop()


@pytest.fixture
def prefect_api(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """Flows, blocks and clients of this very process talk to the session's server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        yield prefect_server


@pytest.fixture
def prefect_worker(prefect_server: PrefectServer, home: Path) -> Iterator[Callable[..., int]]:
    """Start process workers for the session's server: `prefect_worker("pool", extra_env={...})` gives the pid.

    The pool is made where it is missing. A worker and all that it started end with the test.
    """
    import httpx

    from prefect_mlops.deployments.demo.servers import Process

    started: list[Process] = []

    def start(pool: str, extra_env: dict[str, str] | None = None) -> int:
        answer = httpx.post(f"{prefect_server.url}/work_pools/", json={"name": pool, "type": "process"})
        assert answer.status_code in (201, 409), answer.text
        env = {
            **prefect_server.env,
            "PREFECT_INTEGRATIONS_MLOPS_HOME": str(home),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            **(extra_env or {}),
        }
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
        worker = Process("worker", command, env, home / f"worker-{len(started)}.log")
        started.append(worker)
        return worker.pid

    yield start
    for worker in started:
        worker.stop()


class Bucket(NamedTuple):
    """A bucket that is there.

    Attributes:
        name: Its name.
        options: The storage options by which it is reached.
    """

    name: str
    options: dict[str, Any]


@pytest.fixture(scope="session")
def aws() -> Iterator[dict[str, str]]:
    """S3 and SQS on this machine: what `boto3.client` takes to reach them."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "endpoint_url": f"http://{host}:{port}",
        "region_name": "eu-west-1",
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
    }
    server.stop()


@pytest.fixture(scope="session")
def new_bucket(aws: dict[str, Any]) -> Callable[[], Bucket]:
    """A function that makes a bucket."""
    import boto3
    from pydantic import SecretStr

    numbers = itertools.count()

    def make() -> Bucket:
        name = f"lake-{next(numbers)}"
        where = {"LocationConstraint": aws["region_name"]}
        boto3.client("s3", **aws).create_bucket(Bucket=name, CreateBucketConfiguration=where)
        options = {
            "aws_access_key_id": aws["aws_access_key_id"],
            "aws_secret_access_key": aws["aws_secret_access_key"],
            "aws_region": aws["region_name"],
            "aws_endpoint_url": aws["endpoint_url"],
        }
        return Bucket(name, {option: SecretStr(value) for option, value in options.items()})

    return make


@pytest.fixture
def delta_bucket(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[dict[str, Any]]:
    """How a bucket `lake` is reached: in a process of its own, for Delta asks S3 while it holds Python's lock."""
    import boto3
    from pydantic import SecretStr

    from prefect_mlops.deployments.demo.servers import start_server

    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = start_server("S3", command, dict(os.environ), tmp_path / "s3.log", f"{url}/moto-api/")
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=url, **keys).create_bucket(Bucket="lake")
    options = {"aws_endpoint_url": url, "aws_allow_http": "true", "aws_region": keys.pop("region_name"), **keys}
    yield {name: SecretStr(value) for name, value in options.items()}
    server.stop()


@pytest.fixture
def new_queue(aws: dict[str, Any]) -> Callable[[], str]:
    """A function that makes a queue and gives its URL; what is received hides for a second only."""
    import boto3

    numbers = itertools.count()

    def make() -> str:
        sqs = boto3.client("sqs", **aws)
        made = sqs.create_queue(
            QueueName=f"landing-{id(numbers)}-{next(numbers)}", Attributes={"VisibilityTimeout": "1"}
        )
        return str(made["QueueUrl"])

    return make


@pytest.fixture
def postgres(free_port: Callable[[], int]) -> Iterator[str]:
    """The URL of a real PostgreSQL of our own on a free loopback port; it refuses to run as root."""
    import shutil
    import subprocess

    if shutil.which("initdb") is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    with tempfile.TemporaryDirectory() as folder:
        user = "nobody" if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)

        def run(*command: str) -> None:
            done = subprocess.run(
                command, user=user, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
            )
            assert done.returncode == 0, done.stdout + done.stderr

        data, port = f"{folder}/data", free_port()
        run("initdb", "-D", data, "-U", "tests", "-A", "trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        run("pg_ctl", "-D", data, "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://tests@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@pytest.fixture(scope="session")
def worker_python() -> Path:
    """The Python of the worker's image: that of these tests with prefect-aws and its boto3 before it."""
    root = Path(__file__).parents[1]
    done = subprocess.run([root / "scripts" / "worker.sh"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"prefect-aws of requirements-images.lock cannot be installed here: {done.stderr.strip()[-300:]}")
    return root / ".worker" / "bin" / "python"
