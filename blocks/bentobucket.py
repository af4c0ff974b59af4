"""Bentos in a bucket: one object each, `<prefix>/<model>/<digest>.tar`, checked when it comes back."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from prefect_mlops.blocks.folders import BucketFolder
from prefect_mlops.core.errors import ServingError

__all__ = ["fetch_bento", "send_bento"]


def send_bento(address: str, options: Mapping[str, str], model: str, folder: Path, *, anew: bool) -> bool:
    """Put a bento into the bucket, unless one of its digest is there; an object appears whole or not at all.

    Args:
        address: Such as `s3://bucket/bentos`.
        options: Keys, region and endpoint, as for tables.
        model: The bento's name.
        folder: Where it lies; the folder's name is its digest.
        anew: Write over what is there under its digest, because that was damaged.

    Returns:
        Whether it was sent.

    Raises:
        ServingError: The bucket does not answer, or does not allow it.
    """
    name = f"{model}/{folder.name}.tar"
    bucket = BucketFolder(address, options)
    try:
        if not anew and bucket.find(name):
            return False
        packed = folder.with_name(f".{folder.name}.{os.getpid()}.tar")
        try:
            _pack(folder, packed)
            bucket.take_in(packed, name)
        finally:
            packed.unlink(missing_ok=True)
    except OSError as error:
        cure = "Check that `bucket` of the bento store names a bucket that this role may write to; traffic is as it was"
        raise ServingError(f"Bento {name} cannot be put into {address} ({_said(error)})", cure) from error
    return True


def fetch_bento(address: str, options: Mapping[str, str], model: str, digest: str, folder: Path) -> bool:
    """Bring a bento from the bucket; whoever asked looks at every byte.

    Args:
        address: Such as `s3://bucket/bentos`.
        options: Keys, region and endpoint, as for tables.
        model: The bento's name.
        digest: Its version.
        folder: Where it is put, and must not be yet.

    Returns:
        Whether there was one.

    Raises:
        ServingError: The bucket does not answer, or the object is no archive.
    """
    name = f"{model}/{digest}.tar"
    bucket = BucketFolder(address, options)
    try:
        if not bucket.find(name):
            return False
        content = bucket.fetch(name)
    except OSError as error:
        cure = "Check that `bucket` of the bento store names a bucket that this role may read"
        raise ServingError(f"Bento {name} cannot be read from {address} ({_said(error)})", cure) from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{digest}.{os.getpid()}.part")
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(partial, filter="data")
    except tarfile.TarError as error:
        cure = "Delete the object and run mlops-release again, which sends it anew"
        raise ServingError(f"{address}/{name} is no archive of a bento ({_said(error)})", cure) from error
    try:
        partial.rename(folder)
    except OSError:  # another process brought it meanwhile
        shutil.rmtree(partial, ignore_errors=True)
    return True


def _pack(folder: Path, archive: Path) -> None:
    """The same contents give the same archive: no times, owners or caches."""
    with tarfile.open(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                packed.add(path, path.relative_to(folder).as_posix(), filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode = 0, 0, 0, "", "", 0o644
    return member


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
