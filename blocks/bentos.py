"""Where packaged versions are: a BentoML store in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import NotFound, ServingError

__all__ = ["BentoStore"]

BUILD = """
import sys, bentoml
model, version, folder, requirements = sys.argv[1:]
bentoml.build(
    "service:Model", name=model, version=version, build_ctx=folder, include=["*"],
    python={"requirements_txt": requirements, "lock_packages": False},
)
"""


class BentoStore(Block):
    """A BentoML store; a version's tag ends in the digest of its contents, so the same contents are built once.

    Example:
        Load a saved store and look where a bento lies:
        ```python
        from prefect_mlops.blocks import BentoStore

        path = BentoStore.load("default").path("flights-late:0f3a92c1d4e5")
        ```
    """

    _block_type_name = "MLOps Bentos"
    _block_type_slug = "mlops-bentos"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    home: str = Field(default="", description="BentoML's home folder; `bentos` under our home when empty.")

    def folder(self) -> Path:
        """BentoML's home folder."""
        return place(self.home, "bentos")

    def exists(self, tag: str) -> bool:
        """Whether a bento is there, whole."""
        return (self._folder_of(tag) / "bento.yaml").is_file()

    def path(self, tag: str) -> Path:
        """Where a bento lies.

        Raises:
            NotFound: It is not in the store.
        """
        if not self.exists(tag):
            raise NotFound("bento", tag, "Run mlops-release again; it builds what is missing")
        return self._folder_of(tag)

    def build(self, folder: Path, model: str, version: str) -> str:
        """Build a bento from a folder that holds `service.py` and all it needs.

        BentoML's home is global to a process, so the build runs in one of its own.

        Args:
            folder: What goes into the bento; its `requirements.txt` names what it needs installed.
            model: The bento's name.
            version: The bento's version, a digest of the folder.

        Returns:
            The tag, `model:version`.

        Raises:
            ServingError: BentoML refused; its last words are quoted.
        """
        tag = f"{model}:{version}"
        if self.exists(tag):
            return tag
        self.folder().mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", BUILD, model, version, str(folder), str(folder / "requirements.txt")]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment(), cwd=folder, check=False)
        if done.returncode or not self.exists(tag):
            said = " / ".join(done.stderr.strip().splitlines()[-3:])
            raise ServingError(f"BentoML could not build {tag}: {said}", "Mend that and run mlops-release again")
        return tag

    def environment(self) -> dict[str, str]:
        """The environment of a process that works with this store."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BENTOML_", "PREFECT_"))}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return kept | {"BENTOML_HOME": str(self.folder()), "BENTOML_DO_NOT_TRACK": "true"}

    def _folder_of(self, tag: str) -> Path:
        model, _, version = tag.partition(":")
        return self.folder() / "bentos" / model / version
