"""What a serving environment installs: every package by version and hash, with no address of any index."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Literal

from prefect_mlops.core.errors import ServingError

__all__ = ["INPUTS", "Environment", "packages_in", "serving_lock"]

Environment = Literal["onnx", "skops", "lightgbm"]

LOCKS = Path(__file__).parent / "bento_service"
SERVER = ("bentoml", "numpy", "orjson", "uvicorn", "uvloop", "httptools")
INPUTS: dict[Environment, tuple[str, ...]] = {
    "onnx": (*SERVER, "onnxruntime"),
    "skops": (*SERVER, "pandas", "scikit-learn", "skops"),
    "lightgbm": (*SERVER, "pandas", "scikit-learn", "skops", "lightgbm"),
}
"""What each kind of service imports; the rest follows."""
COMPILE = (
    *("pip", "compile", "-", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"),
)
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>[^\\]+))?", re.MULTILINE)


def serving_lock(environment: Environment, home: Path) -> str:
    """The lock of an environment that holds what is installed here, because that is what staging tries.

    Ours lies beside the service and is taken where it names what is installed. Elsewhere uv makes one for the versions
    installed, once; it is kept, so that the same version of a model gives the same bento again.

    Args:
        environment: Which packages are needed.
        home: A folder in which locks are kept that are not ours.

    Raises:
        ServingError: A package is missing, or no lock can be made of what is installed.
    """
    shipped = (LOCKS / f"serving-{environment}.lock").read_text()
    differing = _differing(shipped)
    if not differing:
        return shipped
    own = home / f"{environment}-{hashlib.sha256(differing.encode()).hexdigest()[:16]}.lock"
    if not own.is_file():
        made = _compiled(environment, differing)
        own.parent.mkdir(parents=True, exist_ok=True)
        own.with_suffix(".part").write_text(made)
        own.with_suffix(".part").rename(own)
    return own.read_text()


def packages_in(lock: str) -> dict[str, str]:
    r"""The packages that a lock installs here, and their versions.

    Examples:
        >>> packages_in("numpy==2.4.6 ; python_version < '3' \\\n    --hash=sha256:0a\nidna==3.20 \\\n")
        {'idna': '3.20'}
    """
    from packaging.markers import Marker

    return {
        found["name"].lower(): found["version"]
        for found in PINNED.finditer(lock)
        if not found["marker"] or Marker(found["marker"].strip()).evaluate()
    }


def _differing(lock: str) -> str:
    """Packages that are installed in another version than a lock names, as `name==version`, joined by blanks."""
    held = {name: _version(name) for name in packages_in(lock)}
    return " ".join(f"{name}=={held[name]}" for name, wanted in packages_in(lock).items() if held[name] != wanted)


def _version(name: str) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:
        extra = {"onnxruntime": "prefect-mlops[onnx]", "lightgbm": "prefect-mlops[lightgbm]"}.get(name, name)
        raise ServingError(
            f"{name} is not installed, and a served model needs it", f"Run: pip install '{extra}'"
        ) from None


def _compiled(environment: Environment, differing: str) -> str:
    shipped = packages_in((LOCKS / f"serving-{environment}.lock").read_text())
    pinned = "\n".join(f"{name}=={_version(name)}" for name in shipped)
    done = subprocess.run(
        [sys.executable, "-m", "uv", *COMPILE], input=pinned, capture_output=True, text=True, check=False
    )
    if done.returncode or "--hash" not in done.stdout:
        said = " ".join(line for line in done.stderr.splitlines() if "://" not in line)[-300:].strip()
        raise ServingError(
            f"The lock of the serving environment does not name what is installed here ({differing}), and uv could not "
            f"make another: {said or 'no hashes came'}",
            "Install requirements.lock, or let this machine reach a package index",
        )
    return done.stdout
