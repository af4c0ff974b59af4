"""Starts the serving image: fetches the bento that its environment names, by digest, and becomes its server.

`MLOPS_BENTO` is `model:digest`, `MLOPS_BENTOS` the `s3://bucket/prefix` of the store. Needs boto3 and what bentos need.
"""

import hashlib
import os
import re
import sys
import tarfile
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = "MLOPS_FOLDER"
TAG = re.compile(r"[a-z][a-z0-9-]*:[0-9a-f]{16}")
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+))?", re.MULTILINE)


def main() -> None:
    """Fetch, look at every byte, and serve; whatever is wrong is one sentence on stderr and exit code 1."""
    tag, store = os.environ.get("MLOPS_BENTO", ""), os.environ.get("MLOPS_BENTOS", "")
    if not TAG.fullmatch(tag):
        sys.exit(f"start: MLOPS_BENTO is {tag!r} and not model:digest; the task definition names the bento to serve.")
    if not store.startswith("s3://"):
        sys.exit(f"start: MLOPS_BENTOS is {store!r} and not s3://bucket/prefix; `bentos` of the ECS target says where.")
    model, _, digest = tag.partition(":")
    home = Path(os.environ.get(FOLDER) or tempfile.gettempdir()) / "bentos"
    folder = home / model / digest
    if not folder.exists():
        _fetch(store, model, digest, folder)
    if _content_version(folder / "src") != digest:
        sys.exit(f"start: bento {tag} is damaged in {store}; run mlops-release again, which sends it anew.")
    if differing := _differing((folder / "src" / "requirements.lock.txt").read_text()):
        sys.exit(
            f"start: bento {tag} needs other packages than this image holds ({', '.join(differing[:5])}); "
            "build the image from the locks of the version that packaged the bento."
        )
    os.environ.setdefault("MLOPS_PREFIX", f"/{model}")
    os.environ.setdefault("MLOPS_SPOOL_FOLDER", str(home.parent / "spool"))
    os.environ.setdefault("BENTOML_HOME", str(home.parent / "bentoml"))
    port = os.environ.get("MLOPS_PORT", "3000")
    command = [sys.executable, str(folder / "src" / "run.py"), "--host", "0.0.0.0", "--port", port]
    os.execv(command[0], command)  # the server is the container's own process, and hears its signals


def _fetch(store: str, model: str, digest: str, folder: Path) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = store.removeprefix("s3://").strip("/").partition("/")
    key = "/".join(filter(None, [prefix, model, f"{digest}.tar"]))
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive, partial = folder.with_name(f".{digest}.tar"), folder.with_name(f".{digest}.part")
    try:
        boto3.client("s3").download_file(bucket, key, str(archive))
        with tarfile.open(archive) as packed:
            packed.extractall(partial, filter="data")
    except (BotoCoreError, ClientError, tarfile.TarError, OSError) as error:
        said = " ".join(str(error).split())[:300].rstrip(".")
        sys.exit(f"start: s3://{bucket}/{key} cannot be fetched ({said}); is it there, and may the task role read it?")
    archive.unlink()
    partial.rename(folder)


def _content_version(folder: Path) -> str:
    """As `blocks.bentos.content_version` computes it, without the package that this image does not hold."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not {"__pycache__", "bentofile.yaml"} & set(path.relative_to(folder).parts):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()}\n{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def _differing(lock: str) -> list[str]:
    """Packages that a bento's lock wants in another version than is installed here."""
    from packaging.markers import Marker

    differing = []
    for found in PINNED.finditer(lock):
        if found["marker"] and not Marker(found["marker"].strip()).evaluate():
            continue
        try:
            held = version(found["name"])
        except PackageNotFoundError:
            held = "none"
        if held != found["version"]:
            differing.append(f"{found['name']} {found['version']}, held {held}")
    return differing


if __name__ == "__main__":
    main()
