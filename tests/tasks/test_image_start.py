"""The serving image fetches a bento by its digest from S3, looks at every byte, and becomes its server."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.bentobucket import send_bento
from prefect_mlops.blocks.bentos import content_version
from prefect_mlops.tasks import build_bento
from tests.tasks.image_steps import answer_of, build_steps

START = Path(importlib.util.find_spec("prefect_mlops.tasks.bento_service.start").origin)  # type: ignore[union-attr,arg-type]
SAYS = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['MLOPS_PREFIX']]))\n"
ROOT = Path(__file__).parents[2]
Started = Callable[..., "subprocess.CompletedProcess[str]"]


class Packaged(NamedTuple):
    """A version in a bucket: its model, what its server is told, and rows for it."""

    model: str
    env: dict[str, str]
    rows: Any


def environment(aws: dict[str, Any], folder: Path, store: str, tag: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": aws["endpoint_url"],
        "AWS_REGION": aws["region_name"],
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "MLOPS_BENTOS": store,
        "MLOPS_BENTO": tag,
        "MLOPS_FOLDER": str(folder),
    }


@pytest.fixture
def sent(tmp_path: Path, new_bucket: Any) -> Callable[..., tuple[str, str]]:
    """Put a bento of a few lines into a bucket: `sent(lock="...")` gives the store's address and the tag."""

    def send(run: str = SAYS, lock: str = "", digest: str = "") -> tuple[str, str]:
        made = tmp_path / "made"
        (made / "src").mkdir(parents=True)
        (made / "src" / "run.py").write_text(run)
        (made / "src" / "requirements.lock.txt").write_text(lock)
        (made / "bento.yaml").write_text("name: echo\n")
        folder = made.rename(tmp_path / (digest or content_version(made / "src")))
        bucket = new_bucket()
        options = {name: value.get_secret_value() for name, value in bucket.options.items()}
        send_bento(f"s3://{bucket.name}/bentos", options, "echo", folder, anew=False)
        return f"s3://{bucket.name}/bentos", f"echo:{folder.name}"

    return send


@pytest.fixture
def started(aws: dict[str, Any], tmp_path: Path) -> Started:
    def start(store: str, tag: str) -> subprocess.CompletedProcess[str]:
        env = environment(aws, tmp_path / "image", store, tag)
        return subprocess.run(
            [sys.executable, str(START)], env=env, capture_output=True, text=True, timeout=120, check=False
        )

    return start


def test_the_bento_that_the_environment_names_is_run(started: Started, sent: Callable[..., Any]) -> None:
    done = started(*sent())

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["--host", "0.0.0.0", "--port", "3000"], "/echo"]


def test_a_bento_that_is_not_what_its_digest_says_is_not_run(started: Started, sent: Callable[..., Any]) -> None:
    done = started(*sent(digest="0123456789abcdef"))

    assert (done.returncode, done.stdout) == (1, "")
    assert "bento echo:0123456789abcdef is damaged" in done.stderr


def test_a_bento_that_needs_other_packages_is_refused_by_their_names(
    started: Started, sent: Callable[..., Any]
) -> None:
    done = started(*sent(lock="boto3==0.0.1 \\\n    --hash=sha256:00\nwin ; sys_platform == 'x'\nnowhere==1 \\\n"))

    assert done.returncode == 1
    assert re.search(r"boto3 0.0.1, held \d.*nowhere 1, held none", done.stderr)


@pytest.mark.parametrize(
    ("store", "tag", "said"),
    [
        ("s3://b/bentos", "", "MLOPS_BENTO is '' and not model:digest"),
        ("s3://b/bentos", "echo:../../etc", "and not model:digest"),
        ("/srv/bentos", "echo:0123456789abcdef", "MLOPS_BENTOS is '/srv/bentos' and not s3://"),
        ("s3://nobodys-bucket/x", "echo:0123456789abcdef", "s3://nobodys-bucket/x/echo/0123456789abcdef.tar cannot be"),
    ],
)
def test_what_is_wrong_is_one_sentence(store: str, tag: str, said: str, started: Started) -> None:
    done = started(store, tag)

    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def packaged(aws: dict[str, Any], new_bucket: Any, tmp_path: Path, toy_spec: Any, toy_package: Any) -> Packaged:
    """A real version, packaged into a bucket."""
    bucket, spec = new_bucket(), toy_spec("binary")
    address = f"s3://{bucket.name}/bentos"
    store = BentoStore(home=str(tmp_path / "built"), bucket=address, storage_options=bucket.options)
    _, package, rows = toy_package(spec, 7)
    bento = build_bento.fn(spec, package, store)
    env = environment(aws, tmp_path / "srv", address, bento.tag)
    return Packaged(spec.name, env, rows[list(package.features)].head(2))


@pytest.mark.process
@pytest.mark.parametrize("prefix", ["", "/{model}"])
def test_a_real_version_is_fetched_from_s3_and_answers_also_under_its_models_name(
    prefix: str, packaged: Packaged, free_port: Callable[[], int]
) -> None:
    port, path = free_port(), f"{prefix.format(model=packaged.model)}/predict"
    env = packaged.env | {"MLOPS_PORT": str(port)}

    answer = answer_of([sys.executable, str(START)], env, port, path, packaged.rows)

    assert (answer["model"], answer["version"], len(answer["predictions"])) == (packaged.model, 7, 2)


@pytest.mark.slow
def test_the_steps_of_the_serving_image_make_an_environment_that_serves_it(
    packaged: Packaged, free_port: Callable[[], int], tmp_path: Path
) -> None:
    build_steps(ROOT / "deployments" / "images" / "serving.Dockerfile", tmp_path / "srv")
    venv, port = tmp_path / "srv" / "venv", free_port()
    env = packaged.env | {"MLOPS_PORT": str(port)}

    answer = answer_of([str(venv / "bin" / "python"), str(START)], env, port, "/predict", packaged.rows)

    assert answer["version"] == 7
    assert list(venv.rglob("bentoml/__pycache__/*.pyc"))
