"""What serving costs, this product and its peers side by side in one run, as JSON; `make bench-serving` runs all parts.

`mixed`, `flights` and `numeric` count processor time a request on that model, `start` what a server takes to its first
answer, `environment` what its own lock installs, `gateway` what Envoy adds, `many` how soon weights are live among 500
models. Each part is written when it is done.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serving.environment import environment_of
from benchmarks.serving.gateway import added_by_gateway, many_models
from benchmarks.serving.models import made
from benchmarks.serving.processor import ASKS, calibration_ms, cold_starts, per_request

PARTS: dict[str, Callable[[], Any]] = {
    **{name: functools.partial(per_request, name) for name in ASKS},
    "start": lambda: cold_starts(made("mixed")),
    "environment": lambda: environment_of(made("mixed")),
    "gateway": lambda: added_by_gateway(made("mixed")),
    "many": lambda: many_models(made("numeric")),
}


def main() -> None:
    """Run the parts that are asked for; what an earlier run left of the others stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=sorted(PARTS), help="only this one; may be repeated")
    parser.add_argument("--results", type=Path, required=True)
    asked = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "PYTHONHASHSEED"):
        os.environ.setdefault(name, "1")
    told: dict[str, Any] = json.loads(asked.results.read_text()) if asked.part and asked.results.exists() else {}
    told["machine"] = {"processors": os.cpu_count(), "python": platform.python_version()}
    for name in asked.part or PARTS:
        told[name] = PARTS[name]()
        told.setdefault("calibration_ms", {})[name] = round(calibration_ms(), 2)
        print(json.dumps({name: told[name]}, indent=1), flush=True)
        asked.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
