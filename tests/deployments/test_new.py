"""From a table to a candidate: `new` and `try`, and the same from a notebook."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from typer.testing import CliRunner

from prefect_mlops.core.errors import DataError, PartError, TrainingError
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec, parse_spec
from prefect_mlops.core.specwriting import write_spec
from prefect_mlops.core.survey.drafting import named_rows
from prefect_mlops.core.survey.surveying import survey_rows
from prefect_mlops.deployments.cli import app
from tests.tables import REAL_TABLES


def ask(*words: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, [str(word) for word in words])
    return answer.exit_code, answer.output


def stored(name: str, folder: Path) -> Path:
    path = folder / f"{name.replace(' ', '-')}.parquet"
    REAL_TABLES[name].rows().to_parquet(path, index=False)
    return path


@pytest.mark.process
@pytest.mark.parametrize(
    "name",
    [
        "wine",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("breast cancer", "iris", "diabetes", "flights", "bikes", "credit", "wage")
        ),
    ],
)
def test_two_commands_lead_from_a_table_to_a_candidate(name: str, tmp_path: Path) -> None:
    table, project, name, data = REAL_TABLES[name], tmp_path / "project", name.replace(" ", "-"), stored(name, tmp_path)
    told = ("--time", table.time) if table.time else ()

    code, said = ask("new", name, "--data", data, "--target", table.target, *told, "--project", project)
    assert code == 0, said
    assert f"{table.target} is a {table.problem} problem" in said

    code, said = ask("try", name, "--project", project)
    assert code == 0, said
    assert "ingest: accepted" in said
    assert "gate: accepted" in said
    assert "package: " in said
    assert "prefect deploy --all" in said
    assert load_spec(project / "specs" / f"{name}.yaml").target.problem == table.problem
    assert ask("check", "--project", project)[0] == 0


def test_nothing_is_half_written_when_the_rows_pose_no_problem(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("size,sold\n" + "1,yes\n" * 50)

    code, said = ask("new", "shop", "--data", rows, "--target", "sold", "--project", tmp_path / "project")

    assert code == 1
    assert "Every row has the same target" in said
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "shop", "--data", "nothing.csv", "--target", "sold"), "There is no file"),
        (("new", "Shop!", "--data", "nothing.csv", "--target", "sold"), "is not a model's name"),
        (("new", "shop", "--data", "nothing.csv"), "give --data and --target together"),
        (("try", "shop"), "prefect-mlops new shop --data"),
    ],
)
def test_a_wrong_word_is_told_with_the_cure(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, told = ask(*words)

    assert code != 0
    assert said in " ".join(told.replace("│", " ").split())
    assert not any(tmp_path.iterdir())


def test_rows_without_a_key_get_one_that_stays_theirs() -> None:
    rows = REAL_TABLES["credit"].rows().head(2_000)
    survey = survey_rows(rows, "default")
    rows = pd.concat([rows, rows.head(1)], ignore_index=True)
    named, shuffled = named_rows(rows, survey), named_rows(rows.sample(frac=1, random_state=0), survey)

    assert survey.key == ()
    assert named["row_id"].is_unique
    assert sorted(named["row_id"]) == sorted(shuffled["row_id"])


def test_what_stands_in_a_notebook_becomes_a_spec() -> None:
    rows = REAL_TABLES["credit"].rows()
    columns = ColumnTransformer(
        [
            ("scale", StandardScaler(), ["balance", "income"]),
            ("kinds", OneHotEncoder(handle_unknown="ignore"), ["student"]),
        ]
    )
    pipeline = make_pipeline(columns, LogisticRegression(C=0.5, max_iter=500)).fit(
        rows[["student", "balance", "income"]], rows["default"]
    )

    spec = ModelSpec.from_estimator(pipeline, rows, "default", name="credit")

    assert (spec.target.problem, spec.target.positive) == ("binary", "Yes")
    assert spec.features.numeric == ("balance", "income")
    assert spec.features.category == ("student",)
    assert parse_spec(write_spec(spec)) == spec
    fitted = spec.resolved_trainer().fit(spec, rows.assign(row_id=np.arange(len(rows))))
    told = fitted.predict(rows.head(200)).probabilities
    assert told is not None
    assert np.abs(told[:, 1] - pipeline.predict_proba(rows.head(200))[:, 1]).max() < 1e-6


def test_a_lambda_of_a_notebook_is_refused_by_name_with_the_cure() -> None:
    pipeline = make_pipeline(FunctionTransformer(lambda rows: rows), GradientBoostingClassifier())

    with pytest.raises(PartError, match=r"<lambda>.*put it into a module"):
        ModelSpec.from_estimator(pipeline, REAL_TABLES["breast cancer"].rows(), "target")


def test_an_estimator_of_another_problem_is_refused() -> None:
    with pytest.raises(TrainingError, match="it is a regressor, and the spec's problem is binary"):
        ModelSpec.from_estimator(Ridge(), REAL_TABLES["breast cancer"].rows(), "target")


def test_an_estimator_that_was_fitted_on_a_leak_is_refused() -> None:
    rows = REAL_TABLES["wage"].rows()
    fitted = Ridge().fit(rows[["age", "logwage"]], rows["wage"])

    with pytest.raises(DataError, match=r"what no model may learn from: logwage \(leak"):
        ModelSpec.from_estimator(fitted, rows, "wage")


def test_a_column_that_is_known_too_late_cannot_be_a_feature() -> None:
    spec = ModelSpec.from_estimator(Ridge(), REAL_TABLES["wage"].rows(), "wage")

    assert spec.data.later == ("logwage",)
    with pytest.raises(ValueError, match="known only after a prediction is made"):
        ModelSpec.model_validate({**spec.model_dump(), "features": {"numeric": ["age", "logwage"]}})
