"""Which files wait, and where they go: the same on a disk and in a bucket, and none is lost or taken half-written."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from prefect_mlops.blocks.landing import FileSource
from prefect_mlops.core.errors import DataError, ServingError
from tests.conftest import Bucket

MODEL = "wine-cultivar"


@pytest.fixture(params=["disk", "bucket"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> FileSource:
    if request.param == "disk":
        return FileSource(folder=str(tmp_path / "landing"))
    new_bucket = request.getfixturevalue("new_bucket")
    bucket = new_bucket()
    return FileSource(folder=f"s3://{bucket.name}/in", storage_options=bucket.options)


@pytest.fixture
def put(source: FileSource, tmp_path: Path) -> Callable[..., str]:
    """Put a small CSV file under a name, old enough to be whole."""

    def drop(name: str, content: str = "a\n1\n") -> str:
        file = tmp_path / "file.csv"
        file.write_text(content)
        os.utime(file, (time.time() - 60,) * 2)
        return source.put(file, f"{MODEL}/{name}")

    return drop


def test_a_batch_is_named_by_its_path_and_waits_until_it_is_settled(
    source: FileSource, put: Callable[..., str]
) -> None:
    assert source.waiting(MODEL) == ()
    batch = put("rows.csv")

    assert batch == f"{MODEL}/rows.csv"
    assert source.waiting(MODEL) == (batch,)
    assert source.read(batch)["a"].tolist() == [1]

    source.settle(batch)
    source.settle(batch)

    assert source.waiting(MODEL) == ()
    assert source.read(batch)["a"].tolist() == [1]


def test_only_files_of_the_model_wait_for_it(source: FileSource, put: Callable[..., str]) -> None:
    put("rows.csv")

    assert source.waiting("wine") == ()
    assert source.waiting_by_model(("wine", MODEL)) == {"wine": (), MODEL: (f"{MODEL}/rows.csv",)}


def test_a_rejected_batch_keeps_its_bytes(source: FileSource, put: Callable[..., str]) -> None:
    batch = put("rows.csv", "a\n1,2\n")
    with pytest.raises(DataError):
        source.read(batch)

    where = source.reject(batch)

    assert where.endswith(f"{MODEL}/.rejected/rows.csv")
    assert source.reject(batch) == where
    assert source.waiting(MODEL) == ()
    assert source._folder().fetch(f"{MODEL}/.rejected/rows.csv") == b"a\n1,2\n"


def test_another_content_under_a_settled_name_overwrites_nothing(source: FileSource, put: Callable[..., str]) -> None:
    source.settle(put("rows.csv", "a\n1\n"))

    source.settle(put("rows.csv", "a\n2\n"))
    source.settle(put("rows.csv", "a\n2\n"))

    kept = {source._folder().fetch(name) for name in _done(source)}
    assert kept == {b"a\n1\n", b"a\n2\n"}
    assert len(_done(source)) == 2


def test_a_batch_that_is_written_anew_while_it_is_taken_in_waits_again(source: FileSource) -> None:
    folder = source._folder()
    _write(source, f"{MODEL}/rows.csv", b"a\n1\n")
    source.read(f"{MODEL}/rows.csv")

    _write(source, f"{MODEL}/rows.csv", b"a\n1\n2\n")
    source.settle(f"{MODEL}/rows.csv")

    assert folder.find(f"{MODEL}/rows.csv") is not None
    assert _done(source) == []


def test_the_same_file_may_be_put_twice_and_another_under_its_name_not(put: Callable[..., str]) -> None:
    assert put("rows.csv") == put("rows.csv")

    with pytest.raises(DataError, match="Another batch waits under the name"):
        put("rows.csv", "a\n9\n")


def test_a_batch_that_is_announced_by_its_name_waits_for_that_run_alone(source: FileSource, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    batch = source.put(file, f"{MODEL}/rows.csv", announced=True)

    assert source.put(file, batch) == batch
    assert source.waiting(MODEL) == ()
    assert source.read(batch)["a"].tolist() == [1]

    source.settle(batch)

    assert _done(source) == [f"{MODEL}/.done/rows.csv"]
    assert source.read(batch)["a"].tolist() == [1]


def test_an_announced_batch_that_no_run_took_waits_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    source = FileSource(folder=str(tmp_path / "landing"))
    batch = source.put(file, f"{MODEL}/rows.csv", announced=True)
    os.utime(tmp_path / "landing" / MODEL / ".announced" / "rows.csv", (time.time() - 660,) * 2)

    assert source.waiting(MODEL) == (batch,)


def test_what_lands_after_a_settled_batch_was_read_again_is_not_put_aside_unread(
    source: FileSource, put: Callable[..., str]
) -> None:
    batch = put("rows.csv")
    source.settle(batch)
    source.read(batch)
    put("rows.csv", "a\n2\n")

    source.settle(batch)

    assert source.waiting(MODEL) == (batch,)


@pytest.mark.parametrize("name", [".rows.csv", "_SUCCESS", "_rows.csv", "rows.csv.part", "rows.tmp", "_tmp/rows.csv"])
def test_what_is_not_finished_or_no_batch_is_passed_over(source: FileSource, name: str) -> None:
    _write(source, f"{MODEL}/{name}", b"a\n1\n")

    assert source.waiting(MODEL) == ()
    assert source.passed_over((MODEL,)) == ()


def test_a_file_of_another_ending_is_told(source: FileSource) -> None:
    _write(source, f"{MODEL}/rows.xlsx", b"PK")

    assert source.waiting(MODEL) == ()
    assert source.passed_over((MODEL,)) == (f"{MODEL}/rows.xlsx",)


def test_the_address_of_a_batch_gives_its_name(source: FileSource) -> None:
    assert source.batch_at(source._folder().address(f"{MODEL}/rows.csv")) == f"{MODEL}/rows.csv"
    assert source.batch_at("s3://elsewhere/rows.csv") == ""


def test_the_oldest_batch_comes_first(tmp_path: Path) -> None:
    source = FileSource(folder=str(tmp_path))
    now = time.time()
    for name, age in (("b.csv", 30), ("a.csv", 20), ("c.csv", 40)):
        _write(source, f"{MODEL}/{name}", b"a\n1\n")
        os.utime(tmp_path / MODEL / name, (now - age, now - age))

    assert source.waiting(MODEL) == tuple(f"{MODEL}/{name}" for name in ("c.csv", "b.csv", "a.csv"))


def test_a_file_that_still_grows_does_not_wait_yet(tmp_path: Path) -> None:
    source = FileSource(folder=str(tmp_path))
    path = tmp_path / MODEL / "rows.csv"
    path.parent.mkdir()
    stop = threading.Event()

    def grow() -> None:
        with path.open("w") as file:
            while not stop.wait(0.2):
                file.write("1\n")
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        time.sleep(0.5)
        assert source.waiting(MODEL) == ()
    finally:
        stop.set()
        writer.join()

    assert source.waiting(MODEL) == (f"{MODEL}/rows.csv",)


def test_a_link_lands_nothing_from_elsewhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    (tmp_path / "landing" / MODEL).mkdir(parents=True)
    (tmp_path / "landing" / MODEL / "rows.csv").symlink_to(secret)

    assert FileSource(folder=str(tmp_path / "landing")).waiting(MODEL) == ()


def test_a_bucket_that_is_not_there_is_no_fault_of_the_batch(new_bucket: Callable[[], object]) -> None:
    options = new_bucket().options
    source = FileSource(folder="s3://nowhere/in", storage_options=options)

    assert not source.is_there()
    with pytest.raises(ServingError, match="keys in its block"):
        source.put(Path(__file__).with_name("conftest.py"), f"{MODEL}/rows.csv")


def test_keys_region_and_endpoint_may_come_from_the_environment(
    aws: dict[str, str], new_bucket: Callable[[], Bucket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws["endpoint_url"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", aws["region_name"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws["aws_secret_access_key"])
    source = FileSource(folder=f"s3://{new_bucket().name}/in")
    (tmp_path / "file.csv").write_text("a\n1\n")

    batch = source.put(tmp_path / "file.csv", f"{MODEL}/a.csv")

    assert source.read(batch).to_dict("list") == {"a": [1]}


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(DataError, match="s3://bucket/prefix"):
        FileSource(folder="ftp://host/in").waiting(MODEL)


def test_an_unknown_option_is_named() -> None:
    source = FileSource(folder="s3://b/in", storage_options={"aws_colour": SecretStr("red")})

    with pytest.raises(DataError, match="aws_colour"):
        source.waiting(MODEL)


def _write(source: FileSource, name: str, content: bytes) -> None:
    """Write as somebody else would, without asking the block whether the name is a good one."""
    if source.folder.startswith("s3://"):
        root = source.folder.removeprefix("s3://")
        with source._folder()._system().open_output_stream(f"{root}/{name}") as stream:  # type: ignore[attr-defined]
            stream.write(content)
        return
    path = Path(source.folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _done(source: FileSource) -> list[str]:
    if source.folder.startswith("s3://"):
        from pyarrow.fs import FileSelector

        root = f"{source.folder.removeprefix('s3://')}/"
        selector = FileSelector(f"{root}{MODEL}/.done", allow_not_found=True)
        found = source._folder()._system().get_file_info(selector)  # type: ignore[attr-defined]
        return [info.path.removeprefix(root) for info in found if info.is_file]
    return [str(path.relative_to(source.folder)) for path in Path(source.folder).rglob(".done/*")]
