"""Where packaged versions are: a BentoML store in a folder, and a bucket that outlives its machine."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from prefect_mlops.blocks.about import DOCUMENTATION, LOGO
from prefect_mlops.blocks.serving import quiet_environment
from prefect_mlops.blocks.settings import place
from prefect_mlops.core.errors import NotFound, ServingError

__all__ = ["BentoStore", "content_version"]

BUILD = """
import pathlib, re, sys, bentoml
model, version, folder = sys.argv[1:]
locked = pathlib.Path(folder, "requirements.lock.txt").exists()
bentoml.build(
    "service:service", name=model, version=version, build_ctx=folder, include=["*"],
    python={"requirements_txt": "requirements.lock.txt" if locked else "requirements.txt", "lock_packages": False},
)
told = pathlib.Path(bentoml.get(f"{model}:{version}").path, "bento.yaml")
always = "creation_time: '2000-01-01T00:00:00+00:00'"  # or the same contents would differ in this one line
told.write_text(re.sub("^creation_time: .*$", always, told.read_text(), flags=re.M))
"""


def content_version(folder: Path) -> str:
    """A bento's version: sixteen hexadecimal digits over names and bytes of all files in a folder.

    What BentoML and Python add to a bento by themselves does not count.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not {"__pycache__", "bentofile.yaml"} & set(path.relative_to(folder).parts):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()}\n{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


class BentoStore(Block):
    """A BentoML store; a version's tag ends in the digest of its contents, so the same contents are built once.

    Example:
        Load a saved store and look where a bento lies:
        ```python
        from prefect_mlops.blocks import BentoStore

        store = BentoStore.load("BLOCK_NAME")
        path = store.path("flights-late:0f3a92c1d4e5")
        ```
    """

    _block_type_name = "MLOps Bentos"
    _block_type_slug = "mlops-bentos"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    home: str = Field(default="", description="BentoML's home folder; `bentos` under our home when empty.")
    bucket: str = Field(
        default="",
        pattern=r"^(s3://.+)?$",
        description="Where every bento is kept besides, s3://bucket/prefix: machines come and go.",
    )
    storage_options: dict[str, SecretStr] = Field(
        default={}, description="Keys, region and endpoint of the bucket, as for tables, such as aws_access_key_id."
    )

    def folder(self) -> Path:
        """BentoML's home folder."""
        return place(self.home, "bentos")

    def exists(self, tag: str) -> bool:
        """Whether a bento is there, whole, or could be brought from the bucket.

        Raises:
            ServingError: The bucket does not answer.
        """
        return (self._folder_of(tag) / "bento.yaml").is_file() or self._fetched(tag)

    def path(self, tag: str) -> Path:
        """Where a bento lies.

        Raises:
            NotFound: It is not in the store.
        """
        if not self.exists(tag):
            raise NotFound("bento", tag, "Run mlops-release again; it builds what is missing")
        return self._folder_of(tag)

    def verified(self, tag: str) -> Path:
        """Where a bento lies, after a look at every byte that serving reads.

        Raises:
            NotFound: It is not in the store.
            ServingError: Its contents are not those that its version was computed from.
        """
        path = self.path(tag)
        if not self._whole(tag):
            raise ServingError(
                f"Bento {tag} is damaged: the contents of {path / 'src'} are not those it was built from",
                "Run mlops-release again, which builds it anew; traffic is as it was",
            )
        return path

    def build(self, folder: Path, model: str) -> str:
        """Build a bento from a folder; the same contents are built once, and a damaged bento is built anew.

        BentoML's home is global to a process, so the build runs in one of its own.

        Args:
            folder: Holds `service.py`, all it needs, and what must be installed as `requirements.lock.txt` (or `.txt`).
            model: The bento's name.

        Returns:
            The tag, `model:version`, whose version is the `content_version` of the folder.

        Raises:
            ServingError: BentoML refused; its last words are quoted.
        """
        tag = f"{model}:{content_version(folder)}"
        home = self.folder()
        home.mkdir(parents=True, exist_ok=True)
        with (home / ".build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._whole(tag):
                return self._sent(tag, anew=False)
            shutil.rmtree(self._folder_of(tag), ignore_errors=True)
            command = [sys.executable, "-c", BUILD, *tag.split(":"), str(folder)]
            done = subprocess.run(
                command, capture_output=True, text=True, env=self.environment(), cwd=folder, check=False
            )
            if done.returncode or not self._whole(tag):
                said = " / ".join(done.stderr.strip().splitlines()[-3:])
                raise ServingError(f"BentoML could not build {tag}: {said}", "Mend that and run mlops-release again")
        return self._sent(tag, anew=True)

    def discard(self, tag: str) -> None:
        """Remove a bento that nobody will serve; nothing happens where it is not there. A release builds it again.

        In a bucket it stays, until the bucket's own lifecycle ends it.
        """
        shutil.rmtree(self._folder_of(tag), ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """The environment of a process that works with this store."""
        kept = quiet_environment()
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return kept | {"BENTOML_HOME": str(self.folder()), "BENTOML_DO_NOT_TRACK": "true"}

    def _fetched(self, tag: str) -> bool:
        """Whether it came from the bucket now; what lies there damaged is told as damaged."""
        model, _, digest = tag.partition(":")
        if not (self.bucket and digest):
            return False
        from prefect_mlops.blocks.bentobucket import fetch_bento

        shutil.rmtree(self._folder_of(tag), ignore_errors=True)
        return fetch_bento(self.bucket, self._options(), model, digest, self._folder_of(tag))

    def _options(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.storage_options.items()}

    def _sent(self, tag: str, *, anew: bool) -> str:
        """The tag, once the bento is in the bucket too, where there is one."""
        if self.bucket:
            from prefect_mlops.blocks.bentobucket import send_bento

            send_bento(self.bucket, self._options(), tag.partition(":")[0], self._folder_of(tag), anew=anew)
        return tag

    def _whole(self, tag: str) -> bool:
        path = self._folder_of(tag)
        return self.exists(tag) and content_version(path / "src") == path.name

    def _folder_of(self, tag: str) -> Path:
        model, _, version = tag.partition(":")
        return self.folder() / "bentos" / model / version
