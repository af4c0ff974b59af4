"""Code that a deployment pulls from git is importable in the run, which begins in the clone."""

import subprocess
import sys
from pathlib import Path
from typing import Any

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


@pytest.mark.slow
@pytest.mark.process
def test_a_run_imports_what_its_deployment_pulled(prefect_server: Any, tmp_path: Path) -> None:
    env, url = prefect_server.env, prefect_server.url
    team, project = tmp_path / "team", tmp_path / "project"
    (team / "acme").mkdir(parents=True)
    (team / "acme" / "flows.py").write_text(FLOW)
    person = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*person, "commit", "-qm", "A flow"]):
        run(["git", *words], team, env)
    httpx.post(f"{url}/work_pools/", json={"name": "pulled", "type": "process"}, timeout=60)
    project.mkdir()
    where = Where("pulled", code=f"git+file://{team}@main")
    deployment = {
        "name": "pulled",
        "entrypoint": "acme.flows.hello",
        "work_pool": where.work_pool(),
        "pull": where.pull(),
    }
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump({"deployments": [deployment]}))
    told = {"RAN": str(tmp_path / "ran.txt")}
    deploying = env | {"PYTHONPATH": str(team)}
    run([str(BIN / "prefect"), "--no-prompt", "deploy", "--all"], tmp_path, deploying)
    found = httpx.get(f"{url}/deployments/name/hello/pulled", timeout=60).json()
    asked = httpx.post(f"{url}/deployments/{found['id']}/create_flow_run", json={}, timeout=60).json()

    run([str(BIN / "prefect"), "flow-run", "execute", asked["id"]], project, env | told)

    state = httpx.get(f"{url}/flow_runs/{asked['id']}", timeout=60).json()["state"]
    assert state["type"] == "COMPLETED", state
    folder, file = (tmp_path / "ran.txt").read_text().split()
    assert Path(folder).name == "code"
    assert file == f"{folder}/acme/flows.py"


@pytest.mark.parametrize(
    "code", ["https://example.org/x.git", "git+https://ada:hunter2@example.org/x.git", "s3://bucket", "/srv/code"]
)
def test_an_address_that_cannot_be_pulled_from_is_refused_and_not_quoted(code: str) -> None:
    with pytest.raises(DataError, match=r"cannot be pulled from.*git\+https") as told:
        Where(code=code).pull()
    assert "hunter2" not in str(told.value)
