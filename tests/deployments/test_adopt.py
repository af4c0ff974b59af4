"""A model of plain MLflow is adopted by the command line on a real server, and the next training is held against it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from prefect_mlops.blocks import LocalTarget, Places
from prefect_mlops.blocks.serving import free_port
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.bootstrap import bootstrap
from prefect_mlops.deployments.cli import app
from prefect_mlops.deployments.demo.datasets import wine
from prefect_mlops.flows.ingest import ingest
from prefect_mlops.flows.release import release
from prefect_mlops.flows.rollback import rollback
from prefect_mlops.flows.train import train

pytestmark = pytest.mark.process

SPEC = Path(__file__).parents[2] / "deployments" / "specs" / "wine-cultivar.yaml"
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def spec() -> ModelSpec:
    return load_spec(SPEC)


@pytest.fixture
def places(prefect_server: Any, spec: ModelSpec, tmp_path: Path) -> Iterator[Places]:
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        bootstrap([spec], tmp_path / "home", environment="adopting")
        LocalTarget(folder=str(tmp_path / "serving"), port=free_port()).save("adopting", overwrite=True)
        found = Places.load("adopting")
        yield found
        found.target.stop()


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["adopt", *map(str, arguments), "--environment", "adopting"])
    return result.exit_code, result.output


def test_the_next_candidate_is_judged_against_the_adopted_model(
    places: Places, spec: ModelSpec, tmp_path: Path
) -> None:
    rows = wine().sample(frac=1, random_state=0)
    features = rows[list(reversed(spec.features.names))]
    theirs = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, rows["cultivar"])
    places.tracking.activate()
    with mlflow.start_run(experiment_id=places.tracking.experiment_id("theirs")):
        mlflow.sklearn.log_model(theirs, name="m", registered_model_name="cellar", pip_requirements=["scikit-learn"])
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    given = ("models:/cellar/1", "--data", tmp_path / "rows.parquet", "--as-of", JANUARY.isoformat())

    assert "There is no spec 'cellar'" in call(*given, "--project", SPEC.parents[1])[1]
    code, said = call(*given, "--spec", SPEC)
    assert (code, "models:/cellar/1 is champion of wine-cultivar as version 1." in said) == (0, True), said
    assert call(*given, "--spec", SPEC)[0] == 0

    places.source.put(tmp_path / "rows.parquet", "first.parquet")
    assert ingest(spec, "first.parquet", environment="adopting", as_of=JANUARY, return_state=True).name == "Accepted"
    ended = train(spec, environment="adopting", as_of=JANUARY, return_state=True)

    records = places.ledger.records(model=spec.name)
    assert [record.stage for record in records if record.stage.startswith(("champion", "candidate"))] == [
        "champion.adopted",
        f"candidate.{str(ended.name).lower()}",
    ]
    evidence: Any = records[-1].body["evidence"]
    assert evidence["champion_version"] == 1
    assert {found["against"] for found in evidence["comparisons"]} >= {"champion", "baseline"}

    # The adopted champion is put into service by itself, once, and there is none before it to go back to.
    for name in ("Promoted", "Outdated"):
        assert release(spec, 1, environment="adopting", as_of=JANUARY, return_state=True).name == name
    assert rollback(spec, environment="adopting", as_of=JANUARY, return_state=True).name == "Refused"


@pytest.mark.parametrize(
    ("file", "as_of", "said"),
    [
        ("nowhere.parquet", "2026-01-01T00:00:00Z", "There is no file"),
        ("rows.csv", "2026-01-01T00:00:00", "has no time zone"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, file: str, as_of: str, said: str) -> None:
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "rows.csv", index=False)

    code, output = call("models:/cellar/1", "--data", tmp_path / file, "--spec", SPEC, "--as-of", as_of)

    assert code == 1
    assert said in output
