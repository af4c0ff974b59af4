"""The demo closes the whole loop by automations alone, and says plainly what it lacks."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

BIN = Path(sys.executable).parent


def demo(folder: Path, ports: tuple[int, int, int], *arguments: str) -> subprocess.CompletedProcess[str]:
    names = ("DEMO_PREFECT_PORT", "DEMO_MLFLOW_PORT", "DEMO_GATEWAY_PORT")
    environment = {**os.environ, **{name: str(port) for name, port in zip(names, ports, strict=True)}}
    command = [str(BIN / "prefect-mlops"), "demo", "--folder", str(folder), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.process
def test_a_busy_port_is_told_with_the_cure(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]

        done = demo(tmp_path / "demo", (taken, free_port(), free_port()))

    assert done.returncode == 1
    assert f"Port {taken}" in done.stderr
    assert "DEMO_PREFECT_PORT=" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_loop_closes_on_real_flights_and_leaves_nothing_behind(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    folder = tmp_path / "demo"

    done = demo(folder, (free_port(), free_port(), free_port()), "--results", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    stages = json.loads((tmp_path / "demo-05.json").read_text())["stages"]
    outcomes = {stage["what"]: stage["outcome"] for stage in stages}
    assert outcomes["mlops-ingest: a broken batch"] == "Rejected"
    assert outcomes["mlops-train: a careless candidate"] == "Rejected"
    assert outcomes["mlops-release: package, stage, serve"] == "Promoted"
    assert outcomes["mlops-monitor: April: how is the champion?"] == "Degraded"
    assert outcomes["mlops-retrain: April: a new candidate"] == "Undecided"
    assert outcomes["mlops-score: January to March"] == "Unserved"
    assert outcomes["mlops-score: May"] == "Scored"
    assert "May: 28,796 rows, 28,796 scores, each row once" in done.stdout
    assert outcomes["mlops-retrain: May: a new candidate"] == "Accepted"
    assert outcomes["mlops-release: May: canary"] == "Promoted"
    assert "0 failed" in done.stdout
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or [])
    ]
    assert left == []
