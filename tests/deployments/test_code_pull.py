"""Code that a deployment pulls from git or S3 is importable in the run, which begins in its folder."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import httpx
import pytest
import yaml

from prefect_mlops.core.errors import DataError
from prefect_mlops.deployments.where import Where

BIN = Path(sys.executable).parent
FLOW = """
import os
from pathlib import Path
from prefect import flow

@flow
def hello() -> None:
    Path(os.environ["RAN"]).write_text(f"{Path.cwd()} {__file__}")
"""


def run(words: list[str], folder: Path, env: dict[str, str]) -> None:
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Team(NamedTuple):
    """A team's code, and the server on which it is deployed."""

    server: Any
    folder: Path

    def ran_from(self, code: str, python: Path, env: Mapping[str, str], tmp_path: Path) -> tuple[Path, Path]:
        """Deploys a flow whose code is pulled, runs it in an empty folder; says where it ran and from which file."""
        url, project = self.server.url, tmp_path / "project"
        project.mkdir()
        httpx.post(f"{url}/work_pools/", json={"name": "pulled", "type": "process"}, timeout=60)
        where = Where("pulled", code=code)
        deployment = {
            "name": "pulled",
            "entrypoint": "acme.flows.hello",
            "work_pool": where.work_pool(),
            "pull": where.pull(),
        }
        (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [deployment]}))
        deploying = self.server.env | {"PYTHONPATH": str(self.folder)}
        run([str(BIN / "prefect"), "--no-prompt", "deploy", "--all"], tmp_path, deploying)
        found = httpx.get(f"{url}/deployments/name/hello/pulled", timeout=60).json()
        asked = httpx.post(f"{url}/deployments/{found['id']}/create_flow_run", json={}, timeout=60).json()

        executing = self.server.env | env | {"RAN": str(tmp_path / "ran.txt")}
        run([str(python), "-m", "prefect", "flow-run", "execute", asked["id"]], project, executing)

        state = httpx.get(f"{url}/flow_runs/{asked['id']}", timeout=60).json()["state"]
        assert state["type"] == "COMPLETED", state
        folder, file = (tmp_path / "ran.txt").read_text().split()
        return Path(folder), Path(file)


@pytest.fixture
def team(prefect_server: Any, tmp_path: Path) -> Team:
    folder = tmp_path / "team"
    (folder / "acme").mkdir(parents=True)
    (folder / "acme" / "flows.py").write_text(FLOW)
    return Team(prefect_server, folder)


@pytest.mark.slow
@pytest.mark.process
def test_a_run_imports_what_its_deployment_pulled_from_git(team: Team, tmp_path: Path) -> None:
    person = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*person, "commit", "-qm", "A flow"]):
        run(["git", *words], team.folder, team.server.env)

    folder, file = team.ran_from(f"git+file://{team.folder}@main", Path(sys.executable), {}, tmp_path)

    assert folder.name == "code"
    assert file == folder / "acme" / "flows.py"


@pytest.mark.slow
@pytest.mark.process
def test_a_run_imports_what_its_deployment_pulled_from_s3(
    team: Team, aws: dict[str, str], new_bucket: Callable[[], Any], worker_python: Path, tmp_path: Path
) -> None:
    bucket = new_bucket().name
    boto3.client("s3", **aws).upload_file(str(team.folder / "acme" / "flows.py"), bucket, "models/acme/flows.py")
    env = {
        "AWS_ENDPOINT_URL": aws["endpoint_url"],
        "AWS_ACCESS_KEY_ID": aws["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": aws["region_name"],
    }

    folder, file = team.ran_from(f"s3://{bucket}/models", worker_python, env, tmp_path)

    assert folder != tmp_path / "project"
    assert file == folder / "acme" / "flows.py"


@pytest.mark.parametrize(
    "code", ["https://example.org/x.git", "git+https://ada:hunter2@example.org/x.git", "s3://bucket", "/srv/code"]
)
def test_an_address_that_cannot_be_pulled_from_is_refused_and_not_quoted(code: str) -> None:
    with pytest.raises(DataError, match=r"cannot be pulled from.*git\+https") as told:
        Where(code=code).pull()
    assert "hunter2" not in str(told.value)
