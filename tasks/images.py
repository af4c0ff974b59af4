"""What a container image with one bento in it is built from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task

from prefect_mlops.core.errors import ServingError

if TYPE_CHECKING:
    from prefect_mlops.blocks import BentoStore
    from prefect_mlops.tasks.packaging import Bento

__all__ = ["containerize_bento"]

LOCK = "requirements.lock.txt"
DOCKERFILE = """\
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 BENTOML_DO_NOT_TRACK=true BENTOML_HOME=/tmp/bentoml
WORKDIR /srv
COPY {lock} .
RUN pip install --no-cache-dir --no-deps --require-hashes -r {lock}
COPY {what} {what}
RUN python -m compileall -q {what}
USER 10001
EXPOSE 3000
CMD {command}
"""


@task
def containerize_bento(bento: Bento, store: BentoStore, folder: Path) -> Path:
    """Write what an image with one bento in it is built from; no daemon is needed here.

    Args:
        bento: The version.
        store: Where it is.
        folder: Receives `Dockerfile`, the lock and the bento; it must be empty or not there.

    Returns:
        The folder, for `docker build <folder>`.

    Raises:
        NotFound: The bento is not in the store.
        ServingError: It is damaged, or the folder holds something.
    """
    source = store.verified(bento.tag) / "src"
    _begin(folder)
    version = bento.tag.partition(":")[2]
    kept = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, folder / version / "src", ignore=kept)
    shutil.copy(source / LOCK, folder / LOCK)
    command = f'["python", "{version}/src/run.py", "--host", "0.0.0.0", "--port", "3000"]'
    (folder / "Dockerfile").write_text(DOCKERFILE.format(lock=LOCK, what=version, command=command))
    return folder


def _begin(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise ServingError(f"{folder} holds something already", "Name an empty folder, or one that is not there")
    folder.mkdir(parents=True, exist_ok=True)
