"""A training within limits: in a process of its own, which ends when it takes longer or more memory than it may."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from prefect_mlops.core.errors import MlopsError, TrainingError
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["Limit", "fit_within"]

GIGABYTE = 1_000_000_000
START = "import sys; sys.path[:] = {path!r}; import {module} as it; it.work(sys.argv)"


class Limit(Frozen):
    """What one training may take."""

    seconds: Annotated[float | None, Field(gt=0, description="Of wall time, the start of the process included.")] = None
    gigabytes: Annotated[float | None, Field(gt=0, description="Of memory, the training rows included.")] = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.seconds is None and self.gigabytes is None:
            raise ValueError("name `seconds`, `gigabytes`, or both")
        return self


def fit_within(limit: Limit, path: str, spec: ModelSpec, rows: pd.DataFrame) -> FittedModel:
    """Fit a spec's trainer in a process of its own, a fresh one: a fork would inherit threads that no longer run.

    Memory is counted by the system as private data (RLIMIT_DATA), each worker of `n_jobs` for itself.

    Args:
        limit: What it may take.
        path: What the estimator is called in an error.
        spec: Its trainer has no limit of its own.
        rows: Training rows.

    Raises:
        TrainingError: It took longer or more than it may, or its process was ended by the system.
        MlopsError: Whatever the trainer itself raised.
    """
    with tempfile.TemporaryDirectory(prefix="training-") as name:
        folder = Path(name)
        (folder / "work.pickle").write_bytes(pickle.dumps((spec, rows)))
        process = subprocess.Popen(
            [sys.executable, "-c", START.format(path=sys.path, module=__name__), name, repr(limit.gigabytes)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, said = process.communicate(timeout=limit.seconds)
        except subprocess.TimeoutExpired as error:
            reason = f"it ran longer than the {limit.seconds:g} s that trainer.limit allows, and was stopped"
            raise TrainingError(path, reason) from error
        finally:
            _end(process)
        answer = folder / "answer.pickle"
        if not answer.exists():
            raise TrainingError(path, _why(process.returncode, said.decode(errors="replace"), limit))
        found: FittedModel | MlopsError | MemoryError = pickle.loads(answer.read_bytes())
    if isinstance(found, MemoryError):
        raise TrainingError(path, _too_much(limit)) from found
    if isinstance(found, MlopsError):
        raise found
    return found


def work(arguments: list[str]) -> None:
    """What the process of its own does: `[_, folder, gigabytes]`."""
    folder, gigabytes = Path(arguments[1]), arguments[2]
    if gigabytes != "None":
        import resource

        most = int(float(gigabytes) * GIGABYTE)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    found: Any
    try:
        spec, rows = pickle.loads((folder / "work.pickle").read_bytes())
        found = spec.resolved_trainer().fit(spec, rows)
    except MlopsError as error:
        found = MemoryError() if isinstance(error.__cause__, MemoryError) else error
    except MemoryError:
        found = MemoryError()
    (folder / "answer.part").write_bytes(pickle.dumps(found))
    (folder / "answer.part").rename(folder / "answer.pickle")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it started, which is a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _why(code: int, said: str, limit: Limit) -> str:
    """Why a process left no answer. Libraries written in C end themselves where memory is refused."""
    lines = [line for line in said.splitlines() if line.strip()]
    refused = any(
        word in said for word in ("MemoryError", "bad_alloc", "allocate memory", "OpenBLAS", "pthread_create")
    )
    if limit.gigabytes is not None and (refused or code < 0):
        return _too_much(limit)
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}; SIGKILL says that the machine's memory is full"
    return f"its process ended with {code}: {lines[-1] if lines else 'it said nothing'}"


def _too_much(limit: Limit) -> str:
    return f"it needs more than the {limit.gigabytes:g} GB of memory that trainer.limit allows, and was stopped"
