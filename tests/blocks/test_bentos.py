import shutil
from pathlib import Path

import pytest

from prefect_mlops.blocks.bentobucket import send_bento
from prefect_mlops.blocks.bentos import BentoStore, content_version
from prefect_mlops.blocks.folders import BucketFolder
from prefect_mlops.core.errors import NotFound, ServingError


def plain(options) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in options.items()}


def test_a_version_changes_with_one_byte_and_with_a_name_but_not_with_time(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text("abc")
    before = content_version(folder)
    shutil.copytree(folder, tmp_path / "two")
    (tmp_path / "two" / "__pycache__").mkdir()
    (tmp_path / "two" / "__pycache__" / "a.pyc").write_text("compiled")
    assert content_version(tmp_path / "two") == before

    (tmp_path / "two" / "deep" / "a.txt").rename(tmp_path / "two" / "deep" / "b.txt")
    (folder / "deep" / "a.txt").write_text("abd")

    assert len({before, content_version(folder), content_version(tmp_path / "two")}) == 3


def test_a_bento_that_is_not_there_is_told_with_its_tag(tmp_path: Path) -> None:
    store = BentoStore(home=str(tmp_path / "bentos"))

    assert not store.exists("echo:0123")
    with pytest.raises(NotFound, match="echo:0123"):
        store.path("echo:0123")


@pytest.mark.process
def test_the_same_contents_are_built_once_in_each_home_and_built_anew_when_damaged(tmp_path: Path, echo_folder) -> None:
    first, second = (BentoStore(home=str(tmp_path / name)) for name in ("first", "second"))
    folder = echo_folder(1)
    tag = first.build(folder, "echo")
    written = (first.path(tag) / "bento.yaml").stat().st_mtime_ns

    assert first.build(echo_folder(1), "echo") == tag
    assert (first.path(tag) / "bento.yaml").stat().st_mtime_ns == written
    assert not second.exists(tag)
    assert second.build(folder, "echo") == tag
    assert first.verified(tag) != second.verified(tag)

    (first.path(tag) / "src" / "version.txt").write_text("2")
    with pytest.raises(ServingError, match="damaged"):
        first.verified(tag)
    assert first.build(folder, "echo") == tag
    assert first.verified(tag)


@pytest.mark.process
def test_what_bentoml_says_of_a_folder_it_cannot_build_is_quoted(tmp_path: Path, echo_folder) -> None:
    store = BentoStore(home=str(tmp_path / "bentos"))

    with pytest.raises(ServingError, match="version 13 never loads"):
        store.build(echo_folder(13), "echo")
    assert not list((tmp_path / "bentos").glob("bentos/echo/*/bento.yaml"))


@pytest.mark.process
def test_a_bento_holds_no_address_of_an_index(tmp_path: Path, echo_folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://someone:secret@registry.invalid/simple")
    store = BentoStore(home=str(tmp_path / "bentos"))

    tag = store.build(echo_folder(3), "echo")

    texts = [path.read_bytes() for path in store.path(tag).rglob("*") if path.is_file()]
    assert not [text for text in texts if b"secret" in text or b"registry.invalid" in text]


@pytest.mark.process
def test_a_bento_comes_back_from_the_bucket_on_another_machine(tmp_path: Path, echo_folder, new_bucket) -> None:
    bucket = new_bucket()
    kept = {"bucket": f"s3://{bucket.name}/bentos", "storage_options": bucket.options}
    first, second, third = (BentoStore(home=str(tmp_path / name), **kept) for name in ("one", "two", "three"))

    tag = first.build(echo_folder(1), "echo")

    assert second.verified(tag) == tmp_path / "two" / "bentos" / "echo" / tag.partition(":")[2]
    assert not second.exists("echo:0123456789abcdef")

    archive = f"echo/{tag.partition(':')[2]}.tar"
    (tmp_path / "torn").write_bytes(b"no archive")
    BucketFolder(kept["bucket"], plain(bucket.options)).take_in(tmp_path / "torn", archive)
    with pytest.raises(ServingError, match="is no archive of a bento"):
        third.path(tag)


@pytest.mark.process
def test_what_is_damaged_in_the_bucket_is_found_and_sent_anew_by_a_build(
    tmp_path: Path, echo_folder, new_bucket
) -> None:
    bucket = new_bucket()
    kept = {"bucket": f"s3://{bucket.name}/bentos", "storage_options": bucket.options}
    builder, reader = (BentoStore(home=str(tmp_path / name), **kept) for name in ("one", "two"))
    tag = builder.build(echo_folder(1), "echo")
    folder = builder.path(tag)
    (folder / "src" / "version.txt").write_text("2")
    send_bento(kept["bucket"], plain(bucket.options), "echo", folder, anew=True)

    with pytest.raises(ServingError, match="damaged"):
        reader.verified(tag)
    builder.build(echo_folder(1), "echo")
    reader.discard(tag)

    assert reader.verified(tag)


def test_a_bucket_that_is_not_there_is_told_with_its_name(tmp_path: Path, new_bucket) -> None:
    store = BentoStore(home=str(tmp_path), bucket="s3://nobodys-bucket/bentos", storage_options=new_bucket().options)

    assert not store.exists("echo:0123456789abcdef")
    (tmp_path / "bentos" / "echo" / "0123").mkdir(parents=True)
    with pytest.raises(ServingError, match="s3://nobodys-bucket/bentos"):
        store._sent("echo:0123", anew=True)
