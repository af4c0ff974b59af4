"""Tables take each batch once and as it is, whoever else writes and whenever the writer dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from pydantic import SecretStr

from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.core.errors import DataError, NotFound, SchemaMismatch, StorageError
from prefect_mlops.core.lineage import digest_rows

DAYS = pd.date_range("2013-01-01", periods=4, freq="D", tz="UTC", unit="us")
ROWS = pd.DataFrame({"id": [1, 2, 3, 4], "air_time": [10, 20, 30, 40], "carrier": ["AA", None, "DL", ""], "at": DAYS})


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(root=str(tmp_path))


def test_what_is_appended_is_read_back(tables: DeltaTables) -> None:
    tables.append("t", ROWS, "b1")

    pd.testing.assert_frame_equal(tables.read("t"), ROWS)


def test_the_answer_describes_the_batch_as_it_is_read_back(tables: DeltaTables) -> None:
    said = tables.append("t", ROWS.iloc[1:], "b1", time="at")

    assert (said.table, said.version, said.rows) == ("t", 0, 3)
    assert (said.first[:10], said.last[:10]) == ("2013-01-02", "2013-01-04")
    assert said.digest == digest_rows(tables.read("t", version=0))
    assert said.columns["at"] == "datetime64[us, UTC]"


def test_the_same_batch_twice_is_one_version(tables: DeltaTables) -> None:
    first = tables.append("t", ROWS, "b1")
    tables.append("t", ROWS, "b2")

    assert tables.append("t", ROWS.sample(frac=1, random_state=0), "b1") == first
    assert tables.version("t") == 1
    assert len(tables.read("t")) == 8
    assert tables.find("t", "b1") == first
    assert tables.find("t", "b3") is tables.find("u", "b1") is None


def test_other_rows_under_a_known_name_are_refused_and_another_stamp_is_not(tables: DeltaTables) -> None:
    first = tables.append("t", ROWS, "b1", stamps=["at"])

    assert tables.append("t", ROWS.assign(at=DAYS[0]), "b1", stamps=["at"]) == first
    for other in (ROWS.iloc[:3], ROWS.assign(air_time=[10, 20, 30, 41]), pd.concat([ROWS, ROWS])):
        with pytest.raises(DataError, match="Other rows were appended to table 't' under the name 'b1' before"):
            tables.append("t", other, "b1", stamps=["at"])
    assert len(tables.read("t")) == 4


def test_small_files_are_merged_and_every_version_stays(tables: DeltaTables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefect_mlops.blocks.tables.SMALL_FILES", 5)
    said = [tables.append("t", ROWS.assign(id=number), f"b{number}") for number in range(12)]

    assert len(DeltaTable(tables.path("t")).file_uris()) <= 5
    assert [tables.append("t", ROWS.assign(id=number), f"b{number}") for number in range(12)] == said
    for number, version in enumerate(said):
        rows = tables.read("t", version=version.version)
        assert sorted(rows["id"].unique()) == list(range(number + 1))
        assert digest_rows(rows[rows["id"] == number]) == version.digest


def test_a_storage_that_refuses_is_no_fault_of_the_rows(tables: DeltaTables, tmp_path: Path) -> None:
    tables.append("t", ROWS, "b1")
    (tmp_path / "u").write_text("a file where a table should be")

    for act in (lambda: tables.append("u", ROWS, "b1"), lambda: tables.read("u")):
        with pytest.raises((StorageError, NotFound)) as raised:
            act()
        assert not isinstance(raised.value, ValueError)
    log = tmp_path / "t" / "_delta_log" / f"{0:020}.json"
    log.write_text(log.read_text()[:-40])
    with pytest.raises(
        StorageError, match="Table 't' cannot be reached or written: Kernel error: Json error:"
    ) as raised:
        tables.append("t", ROWS, "b2")
    assert len(str(raised.value)) < 200, "a parser quotes the log, which holds values of rows"


def test_a_broken_file_is_a_fault_of_the_storage(tables: DeltaTables, tmp_path: Path) -> None:
    tables.append("t", ROWS, "b1")
    file = next((tmp_path / "t").glob("*.parquet"))
    whole = file.read_bytes()

    for broken in (b"", whole[:100], whole[:50] + bytes(200) + whole[250:]):
        file.write_bytes(broken)
        with pytest.raises(StorageError):
            tables.read("t")
    file.unlink()
    with pytest.raises(StorageError, match="No such file"):
        tables.read("t")


def test_large_whole_numbers_stay_whole_beside_nulls(tables: DeltaTables) -> None:
    rows = pd.DataFrame({"id": pd.Series([2**53 + 1, None], dtype="Int64")})
    tables.append("t", rows, "b1")

    assert tables.read("t")["id"][0] == 2**53 + 1
    with pytest.raises(DataError, match="Other rows"):
        tables.append("t", rows - 1, "b1")


def test_an_older_version_stays_readable(tables: DeltaTables) -> None:
    tables.append("t", ROWS.iloc[:1], "b1")
    tables.append("t", ROWS.iloc[1:], "b2")

    assert tables.read("t", version=0)["id"].tolist() == [1]


def test_the_logs_of_a_table_are_kept_for_ever(tables: DeltaTables) -> None:
    tables.append("t", ROWS, "b1")

    assert DeltaTable(tables.path("t")).metadata().configuration["delta.enableExpiredLogCleanup"] == "false"


@pytest.mark.parametrize(
    ("after", "before", "ids"),
    [(None, None, [1, 2, 3, 4]), (1, None, [3, 4]), (None, 1, [1, 2]), (0, 2, [2, 3]), (3, None, [])],
)
def test_a_window_excludes_its_beginning_and_includes_its_end(
    tables: DeltaTables, after: int | None, before: int | None, ids: list[int]
) -> None:
    tables.append("t", ROWS, "b1")
    moments = [None if day is None else DAYS[day].to_pydatetime() for day in (after, before)]

    assert sorted(tables.read("t", time="at", after=moments[0], before=moments[1])["id"]) == ids


def test_only_the_columns_asked_for_are_read(tables: DeltaTables) -> None:
    tables.append("t", ROWS, "b1")

    assert list(tables.read("t", columns=["carrier", "id"], time="at", after=DAYS[2].to_pydatetime())) == [
        "carrier",
        "id",
    ]


def test_a_batch_that_would_be_cast_is_refused_and_nothing_is_written(tables: DeltaTables) -> None:
    tables.append("t", ROWS, "b1")

    with pytest.raises(SchemaMismatch, match="air_time: the table has int64, the batch double"):
        tables.append("t", ROWS.assign(air_time=750.5), "b2")
    assert tables.version("t") == 0


def test_an_all_null_column_takes_the_tables_type(tables: DeltaTables) -> None:
    tables.append("t", ROWS, "b1")
    tables.append("t", ROWS.assign(carrier=None, air_time=float("nan")), "b2")
    tables.append("t", ROWS, "b3")

    assert tables.read("t")["carrier"].isna().sum() == 6


def test_a_first_batch_with_a_typeless_column_is_refused_with_the_cure(tables: DeltaTables) -> None:
    with pytest.raises(DataError, match=r"carrier.*astype\('string'\)"):
        tables.append("t", ROWS.assign(carrier=None), "b1")
    assert not tables.exists("t")


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (ROWS.iloc[:0], "no rows"),
        (ROWS.assign(at=DAYS.tz_localize(None)), r"'at'.*no time zone.*tz_localize"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(tables: DeltaTables, frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataError, match=says):
        tables.append("t", frame, "b1")
    assert tables.version("t") == -1


def test_what_is_not_there_is_named(tables: DeltaTables) -> None:
    with pytest.raises(NotFound, match="'t'"):
        tables.read("t")
    tables.append("t", ROWS, "b1")
    with pytest.raises(NotFound, match="t 7"):
        tables.read("t", version=7)
    with pytest.raises(DataError, match="no column speed"):
        tables.read("t", columns=["id", "speed"])


def test_a_window_needs_a_zone_and_a_column(tables: DeltaTables) -> None:
    tables.append("t", ROWS, "b1")

    with pytest.raises(DataError, match="no time zone"):
        tables.read("t", time="at", after=datetime(2013, 1, 1))
    with pytest.raises(DataError, match="'carrier' holds string, not times"):
        tables.read("t", time="carrier", after=datetime(2013, 1, 1, tzinfo=UTC))
    with pytest.raises(DataError, match="time column"):
        tables.read("t", after=datetime(2013, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("name", ["../t", "a/b", "", ".hidden"])
def test_a_name_never_leads_out_of_the_root(tables: DeltaTables, name: str) -> None:
    with pytest.raises(DataError):
        tables.path(name)


def test_a_remote_root_keeps_its_scheme() -> None:
    tables = DeltaTables(root="s3://lake/models/", storage_options={"key": SecretStr("k")})

    assert tables.path("t") == "s3://lake/models/t"


def test_many_writers_at_once_lose_and_double_nothing(tables: DeltaTables) -> None:
    batches = [f"b{number % 6}" for number in range(18)]
    gate = threading.Barrier(6)

    def append(number: int) -> int:
        if number < 6:
            gate.wait()
        return tables.append("t", ROWS.assign(id=number % 6), batches[number]).version

    with ThreadPoolExecutor(6) as pool:
        versions = list(pool.map(append, range(18)))

    assert sorted(set(versions)) == [0, 1, 2, 3, 4, 5]
    assert versions[:6] == versions[6:12] == versions[12:]
    assert tables.read("t")["id"].value_counts().to_dict() == dict.fromkeys(range(6), 4)


APPENDER = """
import sys
import pandas as pd
from prefect_mlops.blocks.tables import DeltaTables

tables, start = DeltaTables(root=sys.argv[1]), int(sys.argv[2])
for number in range(start, start + 400):
    tables.append("t", pd.DataFrame({"batch": [number] * 50, "row": range(50)}), f"b{number}")
    print(number, flush=True)
"""


@pytest.mark.process
def test_a_writer_killed_at_any_moment_leaves_whole_batches(tables: DeltaTables, tmp_path: Path) -> None:
    told = 0
    for round_ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(tmp_path), str(told)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(3):
                told = int(writer.stdout.readline()) + 1
            time.sleep(0.003 * round_)
            os.kill(writer.pid, signal.SIGKILL)
            told = max([told, *(int(line) + 1 for line in writer.stdout if line.strip().isdigit())])

        counts = tables.read("t")["batch"].value_counts()
        assert set(counts) == {50}
        assert set(range(told)) <= set(counts.index)
        again = pd.DataFrame({"batch": [told] * 50, "row": range(50)})
        tables.append("t", again, f"b{told}")
        tables.append("t", again, f"b{told}")
        assert (tables.read("t")["batch"] == told).sum() == 50


@pytest.mark.process
def test_two_processes_with_the_same_batches_append_each_once(tables: DeltaTables, tmp_path: Path) -> None:
    code = APPENDER.replace("400", "12")
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), "0"], stdout=subprocess.PIPE) for _ in "ab"]
    for writer in writers:
        writer.communicate(timeout=120)

    assert [writer.returncode for writer in writers] == [0, 0]
    assert tables.read("t")["batch"].value_counts().to_dict() == dict.fromkeys(range(12), 50)
