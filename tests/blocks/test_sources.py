"""A batch is read by its name from files, databases and Delta tables, or the error names the cure."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from prefect_mlops.blocks.landing import FileSource
from prefect_mlops.blocks.sources import BatchSource, DeltaSource, SqlSource
from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.core.errors import DataError, NotFound

ROWS = pd.DataFrame(
    {
        "id": [1, 2],
        "text": ["x", None],
        "at": pd.to_datetime(["2013-01-01T05:00:00Z", "2013-01-02T05:00:00.5Z"], format="ISO8601").astype(
            "datetime64[us, UTC]"
        ),
    }
)


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    (tmp_path / "landing").mkdir()
    return FileSource(folder=str(tmp_path / "landing"))


def drop(source: FileSource, name: str) -> None:
    path = Path(source.folder) / name
    if name.endswith(".parquet"):
        ROWS.to_parquet(path)
    elif name.endswith(".csv"):
        ROWS.to_csv(path, index=False)
    else:
        ROWS.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")


@pytest.mark.parametrize("name", ["b.parquet", "b.csv", "b.jsonl"])
def test_a_file_gives_back_its_rows_with_times_as_times(source: FileSource, name: str) -> None:
    drop(source, name)

    rows = source.read(name)

    assert rows["at"].dtype == "datetime64[us, UTC]"
    assert rows["at"].tolist() == ROWS["at"].tolist()
    assert rows["text"].isna().tolist() == [False, True]


def test_text_that_is_no_time_stays_text(source: FileSource) -> None:
    (Path(source.folder) / "b.csv").write_text("a,b\n2013-01-01T00:00:00Z,2013-01-01\nlater,2013-01-02\n")

    rows = source.read("b.csv")

    assert rows["a"].tolist() == ["2013-01-01T00:00:00Z", "later"]
    assert rows["b"].tolist() == ["2013-01-01", "2013-01-02"]


def test_a_file_lands_whole_under_its_name(source: FileSource) -> None:
    drop(source, "b.parquet")

    assert source.put(Path(source.folder) / "b.parquet", "again.parquet") == "again.parquet"
    assert len(source.read("again.parquet")) == 2
    assert sorted(path.name for path in Path(source.folder).iterdir()) == ["again.parquet", "b.parquet"]


def test_a_batch_that_has_not_landed_is_named(source: FileSource) -> None:
    with pytest.raises(NotFound, match=r"batch 'b\.csv'.*Drop it into"):
        source.read("b.csv")


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/hosts.csv", "b.exe", "b"])
def test_a_name_that_cannot_be_a_batch_is_refused(source: FileSource, name: str) -> None:
    with pytest.raises(DataError):
        source.read(name)


@pytest.mark.parametrize("name", ["b.parquet", "b.jsonl", "b.csv"])
def test_a_file_that_cannot_be_read_says_what_to_do(source: FileSource, name: str) -> None:
    (Path(source.folder) / name).write_bytes(b'"\x00\xff{')

    with pytest.raises(DataError, match="Send the file again"):
        source.read(name)


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    engine = sa.create_engine(url)
    pd.DataFrame({"id": [1, 2, 3], "month": ["03", "04", "04"]}).to_sql("flights", engine, index=False)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE VIEW april AS SELECT * FROM flights WHERE month = '04'"))
    engine.dispose()
    return url


def test_a_batch_names_a_table_or_a_view(database: str) -> None:
    source: BatchSource = SqlSource(url=SecretStr(database))

    assert source.read("flights")["id"].tolist() == [1, 2, 3]
    assert source.read("april")["id"].tolist() == [2, 3]


def test_a_batch_fills_in_a_query(database: str) -> None:
    source = SqlSource(url=SecretStr(database), query="SELECT id FROM flights WHERE month = :batch")

    assert source.read("04")["id"].tolist() == [2, 3]
    assert source.read("04'; DROP TABLE flights; --").empty
    assert len(SqlSource(url=SecretStr(database)).read("flights")) == 3


def test_a_table_that_is_not_there_is_named(database: str) -> None:
    with pytest.raises(NotFound, match="'may'"):
        SqlSource(url=SecretStr(database)).read("may")


def test_a_database_that_is_down_never_shows_its_password() -> None:
    source = SqlSource(url=SecretStr("postgresql+psycopg://u:hunter2@127.0.0.1:9/rows"))

    with pytest.raises(DataError, match="Start the database") as caught:
        source.read("flights")
    assert "hunter2" not in str(caught.value)


def test_a_delta_table_is_read_at_the_version_that_the_batch_names(tmp_path: Path) -> None:
    tables = DeltaTables(root=str(tmp_path))
    tables.append("flights", ROWS.iloc[:1], "b1")
    tables.append("flights", ROWS.iloc[1:], "b2")
    source = DeltaSource(root=str(tmp_path))

    assert len(source.read("flights")) == 2
    assert source.read("flights@0")["id"].tolist() == [1]
    with pytest.raises(NotFound):
        source.read("flights@9")
    with pytest.raises(DataError, match="names no version"):
        source.read("flights@latest")
