"""What waits in quarantine goes out as a file, and comes back corrected, by the command line and a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

from prefect_mlops.blocks import Places
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.cli import app
from prefect_mlops.flows.ingest import ingest

pytestmark = pytest.mark.process

SPEC = """
spec_version: 1
name: parcels
purpose: {decision: Which parcels to inspect., business_metric: Parcels found., owner: post@example.com}
data: {key: [parcel], time: at, personal: [sender]}
target: {column: damaged, problem: binary, positive: true}
features: {numeric: [weight]}
split: {kind: by-key}
suite:
  expectations:
    - type: expect_column_values_to_be_between
      kwargs: {column: weight, min_value: 0, max_value: 40}
      meta: {action: quarantine}
trainer: {kind: sklearn, estimator: sklearn.linear_model.LogisticRegression}
gates: [{kind: at-least, metric: roc_auc, bound: 0.1}]
"""


@pytest.fixture
def places(prefect_server: Any, tmp_path: Path) -> Iterator[Places]:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "parcels.yaml").write_text(SPEC)
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        bootstrap([load_spec(tmp_path / "specs" / "parcels.yaml")], tmp_path / "home", environment="parcels")
        yield Places.load("parcels")


def call(project: Path, *arguments: object) -> tuple[int, str]:
    given = [*map(str, arguments), "--project", str(project), "--environment", "parcels"]
    result = CliRunner().invoke(app, given)
    return result.exit_code, result.output


def test_rows_are_corrected_in_a_csv_file_and_released(places: Places, tmp_path: Path) -> None:
    spec = load_spec(tmp_path / "specs" / "parcels.yaml")
    rows = pd.DataFrame(
        {
            "parcel": ["007", "008", "NA", "010"],
            "at": pd.Timestamp("2026-01-01T12:00Z"),
            "sender": ["ada@example.com", "bob@example.com", "c@example.com", "d@example.com"],
            "weight": [4.0, 400.0, 500.0, 2.0],
            "damaged": [True, False, True, False],
        }
    )
    rows.to_parquet(tmp_path / "monday.parquet")
    places.source.put(tmp_path / "monday.parquet", "parcels/monday.parquet")
    ended = ingest(spec, environment="parcels", as_of=pd.Timestamp("2026-01-02T00:00Z"), return_state=True)
    assert ended.name == "Accepted"
    file = tmp_path / "waiting.csv"

    code, said = call(tmp_path, "quarantine", "parcels", "--output", file)
    assert (code, "wrote 2 rows" in said) == (0, True)
    waiting = pd.read_csv(file, dtype=str, keep_default_na=False)
    assert "bob@" not in file.read_text()
    assert waiting["quarantine_reasons"].str.contains("weight").all()

    assert "still do not fit" in call(tmp_path, "release", "parcels", file)[1]
    waiting.assign(weight=["40", "39.5"]).to_csv(file, index=False)
    code, said = call(tmp_path, "release", "parcels", file)

    assert (code, "2 rows came back" in said) == (0, True)
    accepted = places.tables.read("parcels-accepted").set_index("parcel")
    assert accepted.loc[["008", "NA"], "weight"].tolist() == [40.0, 39.5]
    assert accepted.loc[["008", "NA"], "sender"].tolist() == ["bob@example.com", "c@example.com"]
    assert "not in quarantine" in call(tmp_path, "release", "parcels", file)[1]
    assert "No row waits" in call(tmp_path, "quarantine", "parcels", "--output", file)[1]


@pytest.mark.usefixtures("places")
def test_mistakes_are_told_in_a_sentence(tmp_path: Path) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_text("a,b\n1,2\n3\n")

    for arguments, told in (
        (("quarantine", "parcel", "--output", odd), "parcels"),
        (("quarantine", "parcels", "--output", tmp_path / "rows.xlsx"), ".csv"),
        (("release", "parcels", tmp_path / "nothing.csv"), "prefect-mlops quarantine"),
        (("release", "parcels", odd), "row 2 has 1 of 2 fields"),
    ):
        code, said = call(tmp_path, *arguments)
        assert (code, told in said, "Traceback" in said) == (1, True, False), said
