"""Files that are replaced whole, so that no reader sees half of one, and that their owner alone can read."""

import os
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, content: bytes) -> None:
    """Write beside the file and rename; a state or a route may hold a token, so nobody else may read it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        partial.replace(path)
    except OSError:  # on a full disk half a file would take what room there is
        partial.unlink(missing_ok=True)
        raise
