"""What each stage of a demo cost: a table for people, and JSON for comparison."""

import json
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

__all__ = ["Stage", "table_of", "write_results"]

WIDTH = 46
PACKAGES = ("prefect", "great-expectations", "mlflow", "bentoml", "pandas", "scikit-learn")


class Stage(NamedTuple):
    """One line of the demo's table."""

    what: str
    outcome: str
    waited_seconds: float
    ran_seconds: float
    cpu_seconds: float


def table_of(stages: Sequence[Stage]) -> str:
    """The stages as a table, waiting and running apart, with their sum."""
    width = WIDTH
    rule = "-" * (width + 36)
    lines = [f"{'stage':<{width}} {'outcome':<11} {'waited':>7} {'ran':>7} {'CPU':>7}", rule]
    lines += [
        f"{s.what[:width]:<{width}} {s.outcome:<11} {s.waited_seconds:7.1f} {s.ran_seconds:7.1f} {s.cpu_seconds:7.1f}"
        for s in stages
    ]
    waited, ran, cpu = (sum(getattr(stage, name) for stage in stages) for name in Stage._fields[2:])
    return "\n".join([*lines, rule, f"{'all, in seconds':<{width}} {'':<11} {waited:7.1f} {ran:7.1f} {cpu:7.1f}"])


def write_results(folder: Path, last_month: int, setup_seconds: float, seconds: float, stages: Sequence[Stage]) -> Path:
    """Write the table as `demo-<months>.json`, with commit, versions and date.

    Args:
        folder: Made when it is missing.
        last_month: The last month that was played.
        setup_seconds: Wall seconds until the flows were deployed.
        seconds: Wall seconds in all.
        stages: The table.
    """
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": head.stdout.strip(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "setup_seconds": round(setup_seconds, 1),
        "wall_seconds": round(seconds, 1),
        "stages": [stage._asdict() for stage in stages],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"demo-{last_month:02d}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
