"""`prefect-mlops suite`: proposed from files, written once, compared in any form, and refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from prefect_mlops.core.suites.written import suite_from
from prefect_mlops.deployments.cli import app

SPEC = """
spec_version: 1
name: parcels
purpose: {decision: Which parcels to inspect., business_metric: Parcels found., owner: post@example.com}
data: {key: [parcel], time: at, personal: [sender]}
target: {column: damaged, problem: binary, positive: true}
features: {numeric: [weight]}
split: {kind: by-key}
suite: {expectations: [{type: expect_column_to_exist, kwargs: {column: weight}}]}
trainer: {kind: sklearn, estimator: sklearn.linear_model.LogisticRegression}
gates: [{kind: at-least, metric: roc_auc, bound: 0.1}]
"""


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["suite", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    rows = pd.DataFrame({"parcel": range(2000), "weight": chance.gamma(4, 3, 2000)})
    rows["at"] = pd.date_range("2026-01-01", periods=2000, freq="10min", tz="UTC")
    rows["sender"] = [f"ada-{number}" for number in rows["parcel"]]
    rows["damaged"] = chance.random(2000) < 0.2
    rows.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "parcels.yaml").write_text(SPEC)
    return tmp_path / "rows.parquet"


def test_a_suite_is_proposed_with_what_the_spec_knows_and_compared(file: Path, tmp_path: Path) -> None:
    output, spec = tmp_path / "suites" / "parcels.yaml", tmp_path / "parcels.yaml"

    code, said = call("propose", file, "--spec", spec, "--output", output)

    assert (code, "at most 1.00% of clean next batches" in said) == (0, True)
    assert "ada-" not in output.read_text()
    assert {"type": "expect_column_values_to_be_unique", "column": "parcel"} in [
        {"type": each.type, "column": each.kwargs.get("column")} for each in suite_from(output).expectations
    ]
    assert call("diff", output, output) == (0, "The suites ask the same.\n")
    code, said = call("diff", spec, output)
    assert (code, "- removed: weight: expect_column_to_exist" in said) == (0, True)


def test_each_file_is_a_batch_where_no_time_is_named(file: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(file).drop(columns="at")
    files = [tmp_path / f"{number}.csv" for number in range(6)]
    for number, path in enumerate(files):
        rows[number * 300 : (number + 1) * 300].to_csv(path, index=False)

    code, said = call("propose", *files, "--key", "parcel", "--output", tmp_path / "suite.yaml")

    assert (code, "from 6 batches with 1,800 rows" in said) == (0, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time", "gone"], "no column 'gone'"),
        (["--key", "gone"], "no column gone"),
        (["--false-alarm-rate", "0.9"], "no false-alarm rate"),
    ],
)
def test_bad_options_are_told_in_words_and_nothing_is_written(
    file: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    output = tmp_path / "suite.yaml"

    code, told = call("propose", file, "--output", output, *options)

    assert (code, said in told) == (1, True)
    assert not output.exists()


def test_a_reviewed_suite_is_never_written_over_and_no_suite_is_named(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "suite.yaml"
    output.write_text("expectations: []\n")

    assert "is there already" in call("propose", file, "--output", output)[1]
    assert output.read_text() == "expectations: []\n"
    assert "cannot be read" in call("diff", output, tmp_path / "gone.yaml")[1]
    assert "Correct the path" in call("propose", tmp_path / "gone.csv", "--output", tmp_path / "x.yaml")[1]
