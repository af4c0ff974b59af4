"""Secrets that servers are started with, in files that only their owner reads, since a server may be started again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["keep_secret", "read_secret"]


def keep_secret(folder: Path, name: str, value: str) -> None:
    """Keep a secret, in the place of one that was kept under its name."""
    path = folder / "secrets" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value)
    partial.replace(path)


def read_secret(folder: Path, name: str) -> str:
    """A secret that was kept; empty where there is none."""
    path = folder / "secrets" / name
    return path.read_text() if path.exists() else ""
