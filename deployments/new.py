"""Writes the first spec of a new model, with a comment on every choice."""

import re
from pathlib import Path

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.names import MODEL_PATTERN
from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.deployments.sync import write_project

__all__ = ["write_new"]

TEMPLATE = Path(__file__).parent / "new-spec.yaml"


def write_new(name: str, project: Path) -> tuple[Path, Path]:
    """Write `specs/NAME.yaml` and `prefect.yaml` into a project.

    Args:
        name: The model's name.
        project: The folder; made when it is missing.

    Returns:
        The two files.

    Raises:
        DataError: The name is not allowed, or the spec is there already; nothing was written.
    """
    if not re.fullmatch(MODEL_PATTERN, name):
        near = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-0123456789")[:24].strip("-")
        hint = f", such as {near!r}" if re.fullmatch(MODEL_PATTERN, near) else ""
        cure = f"Use 2 to 24 lower-case letters, digits and '-', beginning with a letter{hint}"
        raise DataError(f"{name!r} is not a model's name", cure)
    path = project / "specs" / f"{name}.yaml"
    if path.exists():
        raise DataError(f"{path} is there already", "Choose another name, or edit that file")
    text = TEMPLATE.read_text().replace("NAME", name)
    parse_spec(text, str(TEMPLATE))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path, write_project(project)
