"""From a table to a candidate: `new` and `try`, and the same from a notebook."""

from decimal import Decimal
from pathlib import Path
from typing import Any

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
    assert "prefect --no-prompt deploy --all" in said
    assert load_spec(project / "specs" / f"{name}.yaml").target.problem == table.problem
    assert ask("check", "--project", project)[0] == 0

    code, said = ask("gates", "suggest", name, "--project", project)
    assert code == 0, said
    assert said.startswith(f"# Gates suggested for {name} from the newest run in")
    assert "- {kind: better-than-baseline" in said


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


HOSTILE = [
    "yes",
    "on",
    "1e5",
    "12E3",
    "null",
    "~",
    "a: b",
    "- x",
    "#",
    "é\u2028ü",
    "line\nbreak",
    "'",
    '"',
    " ",
    "١٢",
    "{",
    "%",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_comes_back_from_a_spec_as_it_was(text: str) -> None:
    chance = np.random.default_rng(0)
    rows = pd.DataFrame({"x": chance.normal(size=90), f"c {text}": chance.choice(["a", "b"], 90)})
    rows["y"] = np.where(chance.random(90) < 0.3, text, "other")

    spec = ModelSpec.from_estimator(LogisticRegression(class_weight={text: 2.0, "other": 1.0}), rows, "y")

    assert spec.target.positive == text
    assert parse_spec(write_spec(spec, [text], {"data": [text]})) == spec


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"X": 1}, (), "upper and lower case are no difference"),
        ({"": 1}, (), "has no text for a name"),
        ({"accepted_at": 1}, (), "accepted_at"),
        ({"row_id": 1}, (), "row_id is taken"),
        ({"{{ x }}": [1, 2, 3] * 30}, (), "which Prefect would replace"),
        ({"mixed": [1, "a"] * 45}, (), "mixed"),
        ({}, ("--key", "c"), "does not name a row"),
        ({}, ("--key", "y"), "cannot be time or key too"),
        ({}, ("--key", "n", "--key", "n"), "twice"),
        ({}, ("--later", "y"), "cannot be known later"),
        ({"y": [[1], [2]] * 45}, (), "holds lists"),
        ({"y": [Decimal("1.5"), Decimal("2.5"), Decimal("3.5")] * 30}, (), "type Decimal"),
    ],
)
def test_what_try_could_not_take_new_refuses_before_it_writes(
    change: dict[str, Any], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    rows = pd.DataFrame({"x": np.arange(90) % 31, "c": ["a", "b"] * 45, "n": range(90), "y": ["no", "no", "yes"] * 30})
    rows = rows.assign(**change)
    rows = rows if words else rows.drop(columns="n")
    path = tmp_path / f"rows.{'parquet' if 'Decimal' in said else 'jsonl'}"
    _ = rows.to_parquet(path) if "Decimal" in said else rows.to_json(path, orient="records", lines=True)

    code, told = ask("new", "shop", "--data", path, "--target", "y", *words, "--project", tmp_path / "project")

    assert code == 1
    assert said in told
    assert not (tmp_path / "project").exists()


def test_rows_that_are_there_already_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data = stored("wine", tmp_path / "data")
    before = data.read_bytes()

    code, said = ask("new", "wine", "--data", data, "--target", "target", "--project", tmp_path)

    assert (code, data.read_bytes()) == (1, before)
    assert "is there already" in said


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
