"""The environment that a bento's own lock installs: its size on disk, and what a server in it takes to start."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.serving.asking import Asker, bodies_for
from benchmarks.serving.models import Served
from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.footprints import footprint_of
from prefect_mlops.blocks.serving import ServingProcess, free_port, quiet_environment

__all__ = ["ASKED_MB", "environment_of"]

ASKED_MB, START_SECONDS, START_MB = 210.0, 2.5, 120.0


def environment_of(served: Served, starts: int = 3) -> dict[str, Any]:
    """Make a real environment from nothing but the lock in the bento, with every hash checked, and serve from it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = BentoStore(home=str(folder / "bentos"))
        source = store.path(served.bento(store)) / "src"
        python = folder / "venv" / "bin" / "python"
        _run("venv", "--python", sys.executable, str(folder / "venv"))
        lock = str(source / "requirements.lock.txt")
        _run("pip", "install", "--python", str(python), "--no-deps", "--require-hashes", "--link-mode=copy", "-r", lock)
        bare = _megabytes(folder / "venv")
        subprocess.run([str(python), "-m", "compileall", "-q", str(folder / "venv")], check=False)
        seconds, memory = zip(*(_start(python, source, served, folder) for _ in range(starts)), strict=True)
        compiled = _megabytes(folder / "venv")
        packages = sorted(
            (
                (_megabytes(path), path.name)
                for path in next((folder / "venv" / "lib").glob("*/site-packages")).iterdir()
            ),
            reverse=True,
        )
    return {
        "model": served.name,
        "megabytes": round(bare, 1),
        "megabytes_with_bytecode": round(compiled, 1),
        "largest": {package: round(size, 1) for size, package in packages[:8]},
        "start_cpu_seconds": round(statistics.median(seconds), 2),
        "start_memory_mb": round(statistics.median(memory), 1),
        "asked": {"megabytes": ASKED_MB, "start_cpu_seconds": START_SECONDS, "start_memory_mb": START_MB},
        "holds": bare <= ASKED_MB
        and statistics.median(seconds) <= START_SECONDS
        and statistics.median(memory) <= START_MB,
    }


def _start(python: Path, source: Path, served: Served, folder: Path) -> tuple[float, float]:
    port = free_port()
    environment = quiet_environment() | {
        "BENTOML_HOME": str(folder / "home"),
        "BENTOML_DO_NOT_TRACK": "true",
        "MLOPS_SPOOL": str(folder / "spool"),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTHONPATH", None)
    command = [str(python), str(source / "run.py"), "--port", str(port)]
    process = ServingProcess.spawn(command, environment, port, folder / "log")
    try:
        process.wait_ready("/readyz", "The server in its own environment")
        with Asker(port) as asker:
            asker.times(bodies_for("/predict", "rows", served.asked), 1)
        found = footprint_of(process.pid)
        return found.cpu_seconds, found.memory_mb
    finally:
        process.stop()


def _run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *words], check=True, stdout=subprocess.DEVNULL, env=os.environ)


def _megabytes(path: Path) -> float:
    """What files take, each counted once and links not followed; those of Python itself lie elsewhere."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink()) / 2**20
