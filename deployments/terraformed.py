"""`prefect-mlops bootstrap -`: from what Terraform prints to a Prefect server on which everything can be deployed."""

import sys
from collections.abc import Iterator
from pathlib import Path

from prefect_mlops.core.errors import DataError
from prefect_mlops.deployments.infrastructure import read_output
from prefect_mlops.deployments.sync import read_specs

__all__ = ["provision_from"]

CHANGED = (" made", " updated")


def provision_from(source: Path, project: Path, environment: str) -> Iterator[str]:
    """Read Terraform's output and make on the server what it tells of.

    The server is the one that this process is set to, and the one in the output where it is set to none.

    Args:
        source: A file that holds the output, or `-` for what comes through a pipe.
        project: The folder of the specs.
        environment: Name of the block documents.

    Yields:
        What was made, updated or found, a line each; "No change." at the end where nothing was made or updated.

    Raises:
        DataError: There is no such file, it is no output of Terraform, or a work pool is in the way.
        SpecError: The output lacks a field, or a spec is not valid.
        ServingError: The server does not answer.
    """
    told, specs = read_output(_text(source)), read_specs(project)

    from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

    server = get_current_settings().api.url or told.prefect.api_url
    yield f"server {server}"
    with temporary_settings({PREFECT_API_URL: server}):
        from prefect_mlops.deployments.provision import provision

        changed = False
        for line in provision(told, specs, environment):
            changed |= line.endswith(CHANGED)
            yield line
    if not changed:
        yield "No change."


def _text(source: Path) -> str:
    if str(source) == "-":
        return sys.stdin.read()
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cure = "Pipe the output in: `terraform output -json | prefect-mlops bootstrap -`"
        raise DataError(f"{source} cannot be read ({type(error).__name__})", cure) from error
