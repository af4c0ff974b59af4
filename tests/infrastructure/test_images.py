"""The images are built from locks, run without root, and hold what bentos need."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = sorted((ROOT / "deployments" / "images").glob("*.Dockerfile"))
OLDER = {"boto3", "botocore", "s3transfer"}
"""prefect-aws wants the boto3 of its aiobotocore."""


def pinned(lock: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+==[^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_there_are_three_images() -> None:
    assert [path.stem for path in IMAGES] == ["server", "serving", "worker"]


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_hadolint_finds_nothing_in_an_image(image: Path, tools: Path) -> None:
    done = subprocess.run([tools / "hadolint", image], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_an_image_runs_as_a_user_with_a_number_and_installs_by_hash_alone(image: Path) -> None:
    text = image.read_text()
    installs = [line for line in re.sub(r"\\\n", " ", text).split("&&") if "pip install" in line]

    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    assert all("--require-hashes" in line or "dist/*.whl" in line for line in installs)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.11.14-slim-bookworm"}
    assert "PYTHONDONTWRITEBYTECODE" not in text


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_what_an_image_copies_is_there_and_not_kept_out(image: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", image.read_text(), re.MULTILINE)
        for word in line.split()[:-1]
    ]

    for name in copied:
        assert (ROOT / name).exists()
        kept = {f"!{name}", f"!{name.partition('/')[0]}", "!requirements-*.lock" if name.endswith(".lock") else ""}
        assert kept & set(ignored), name


@pytest.mark.parametrize("kind", ["onnx", "skops", "lightgbm"])
def test_the_serving_image_holds_what_each_kind_of_bento_was_locked_with(kind: str) -> None:
    assert pinned(f"tasks/bento_service/serving-{kind}.lock") <= pinned("requirements-serving.lock")


def test_the_worker_runs_what_was_tested_but_for_an_older_boto3() -> None:
    tested, held = (
        dict(one.split("==") for one in pinned(lock)) for lock in ("requirements.lock", "requirements-images.lock")
    )
    differing = {name for name in tested.keys() & held.keys() if tested[name] != held[name]}

    assert differing <= OLDER
    assert {"prefect-aws", "psycopg-binary", "prefect-redis", "mlflow"} <= held.keys()
