"""Personal values stand in the batch and in the tables made of it, and nowhere else, whatever goes wrong."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import State

from prefect_mlops.blocks import Places
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.flows.ingest import ingest
from prefect_mlops.flows.train import train

pytestmark = pytest.mark.process

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPEC = """
spec_version: 1
name: secretive
purpose: {decision: Whom to call., business_metric: Customers kept., owner: crm@example.com}
data: {key: [account], time: at, personal: [account, mail, born, income]}
target: {column: left, problem: binary, positive: true}
features: {numeric: [income, visits], category: [plan]}
split: {kind: by-key}
suite:
  data_docs: true
  expectations:
    - type: expect_column_values_to_match_regex
      kwargs: {column: mail, regex: "^[a-z0-9-]+@"}
      meta: {action: quarantine}
    - {type: expect_column_values_to_be_between, kwargs: {column: income, max_value: 1000000}, severity: warning}
    - {type: expect_column_max_to_be_between, kwargs: {column: income, max_value: 1000000}, severity: warning}
    - {type: expect_column_distinct_values_to_be_in_set, kwargs: {column: mail, value_set: [nobody]}, severity: info}
    - {type: expect_column_values_to_be_unique, kwargs: {column: account}, severity: warning}
    - type: expect_column_values_to_match_strftime_format
      kwargs: {column: born, strftime_format: "%Y-%m-%d"}
      severity: info
    - {type: expect_column_values_to_be_between, kwargs: {column: mail, min_value: 3}, severity: warning}
    - {type: expect_column_values_to_be_in_set, kwargs: {column: plan, value_set: [basic, full]}}
trainer: {kind: sklearn, estimator: sklearn.linear_model.LogisticRegression}
gates: [{kind: at-least, metric: roc_auc, bound: 0.1}]
"""
ROWS = 400
PLANTED = re.compile(r"zq(acct|mail|born)\d|77\d{4}\.0625")


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return parse_spec(SPEC)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secretive")


@pytest.fixture(scope="module")
def places(prefect_server: Any, spec: ModelSpec, home: Path) -> Iterator[Places]:
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        bootstrap([spec], home, environment="secretive")
        yield Places.load("secretive")


def planted(start: int) -> pd.DataFrame:
    """Rows whose personal values are like nothing else in the world, so that a text search finds each of them."""
    numbers = np.arange(start, start + ROWS)
    random = np.random.default_rng(start)
    visits = random.poisson(3, ROWS)
    return pd.DataFrame(
        {
            "account": [f"zqacct{n:06d}" for n in numbers],
            "at": pd.Timestamp(NOON),
            "mail": [f"zqmail{n:06d}@example.com" for n in numbers],
            "born": [f"zqborn{n:06d}" for n in numbers],
            "income": 770_000.0 + numbers + 0.0625,
            "visits": visits,
            "plan": random.choice(["basic", "full"], ROWS),
            "left": visits + random.normal(size=ROWS) > 3,
        }
    )


def drop(places: Places, rows: pd.DataFrame, name: str, folder: Path) -> None:
    path = folder / name
    rows.to_csv(path, index=False) if path.suffix == ".csv" else rows.to_parquet(path, index=False)
    places.source.put(path, f"secretive/{name}")


def run(flow: Any, spec: ModelSpec) -> State:
    state: State = flow(spec, environment="secretive", as_of=NOON, return_state=True)
    return state


def texts_under(folder: Path) -> Iterator[tuple[Path, str]]:
    """Everything that was written under a folder, as text: tables by their cells, databases by their rows."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            yield path, str(pq.read_table(path).to_pydict())
        elif path.suffix in (".db", ".sqlite"):
            with sqlite3.connect(path) as database:
                yield path, "\n".join(database.iterdump())
        else:
            yield path, path.read_bytes().decode("latin-1")


def test_personal_values_are_in_no_report_log_record_or_quarantine(
    places: Places, spec: ModelSpec, home: Path, prefect_server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Good rows, rows for the quarantine, batches that are refused in every way, and a training on what is left.
    good = planted(0)
    drop(places, good.assign(mail=good["mail"].mask(good.index < 20, "Z" + good["mail"])), "a-mixed.parquet", tmp_path)
    drop(places, planted(1000).assign(plan="neither"), "b-blocked.parquet", tmp_path)
    drop(places, planted(2000).assign(income="zq" + planted(2000)["mail"]), "c-other-type.parquet", tmp_path)
    drop(places, planted(3000).assign(at="yesterday"), "d-no-time.csv", tmp_path)
    drop(places, pd.concat([planted(4000), planted(4000).assign(visits=1)]), "e-keys.parquet", tmp_path)
    drop(places, planted(5000).drop(columns="visits"), "f-missing.csv", tmp_path)
    mixed = planted(6000).astype({"income": object})
    mixed.loc[0, "income"] = "zqmail006000@example.com"
    drop(places, mixed, "g-mixed.csv", tmp_path)
    (tmp_path / "h-ragged.csv").write_text("account,mail\nzqacct007000\nzqacct007001,zqmail007001@example.com,x\n")
    places.source.put(tmp_path / "h-ragged.csv", "secretive/h-ragged.csv")

    assert run(ingest, spec).name == "PartlyRejected"
    trained = run(train, spec)
    assert trained.name in ("Accepted", "Undecided", "Rejected"), trained.message

    written = dict(texts_under(home))
    written |= dict(texts_under(prefect_server.home))
    written[Path("terminal")] = "".join(capfd.readouterr())
    data = ("landing", "tables/secretive-accepted")
    found = {path: told for path, text in written.items() if (told := PLANTED.search(text))}
    leaks = {
        f"{path}: ...{told.string[max(0, told.start() - 80) : told.end() + 40]}"
        for path, told in found.items()
        if not any(f"/{place}/" in str(path) for place in data)
    }
    assert leaks == set()
    assert len(found) > len(data)  # the search does find what is there
    assert len(written) > 20
