"""The command line: what it prints where, and its exit codes."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.cli import app


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    result = call("new", "credit-risk", "--project", tmp_path)
    assert result.exit_code == 0, result.output
    return tmp_path


def test_an_empty_folder_gets_a_spec_and_a_prefect_yaml_that_agree(project: Path) -> None:
    assert sorted(path.relative_to(project).as_posix() for path in project.rglob("*.yaml")) == [
        "prefect.yaml",
        "specs/credit-risk.yaml",
    ]
    assert load_spec(project / "specs" / "credit-risk.yaml").name == "credit-risk"
    assert call("check", "--project", project).exit_code == 0


def test_new_does_not_overwrite(project: Path) -> None:
    path = project / "specs" / "credit-risk.yaml"
    path.write_text(path.read_text() + "\n# mine\n")

    result = call("new", "credit-risk", "--project", project)

    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert path.read_text().endswith("# mine\n")


@pytest.mark.parametrize(
    ("name", "near"), [("Credit Risk", "'credit-risk'"), ("x", ""), ("9lives", "'lives'"), ("é", "")]
)
def test_new_refuses_a_bad_name_and_says_a_good_one(tmp_path: Path, name: str, near: str) -> None:
    result = call("new", name, "--project", tmp_path)

    assert result.exit_code == 1
    assert "lower-case letters" in result.stderr
    assert near in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_model_joins_the_first(project: Path) -> None:
    call("new", "churn", "--project", project)

    text = (project / "prefect.yaml").read_text()
    assert "&churn" in text
    assert "&credit-risk" in text
    assert call("check", "--project", project).exit_code == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("metric: roc_auc", "metric: roc_auk", "roc_auk"),
        ("problem: binary", "problem: binry", "Did you mean binary?"),
        ("kind: drift", 'kind: "acme.monitors:Seasonal"', "acme"),
        ("max_per_month: 4", "max_per_month: 3", "Run `prefect-mlops sync`"),
        ("name: credit-risk", "name: credit-risks", "Rename the file"),
    ],
)
def test_check_tells_each_problem_on_stderr(project: Path, old: str, new: str, said: str) -> None:
    path = project / "specs" / "credit-risk.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))

    result = call("check", "--project", project)

    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_check_tells_a_missing_and_a_foreign_prefect_yaml(project: Path) -> None:
    path = project / "prefect.yaml"
    path.unlink()
    assert "it is missing" in call("check", "--project", project).stderr

    path.write_text("deployments: []\n")
    assert "was not written by" in call("check", "--project", project).stderr


def test_check_of_a_folder_without_specs_says_how_to_begin(tmp_path: Path) -> None:
    result = call("check", "--project", tmp_path)

    assert result.exit_code == 1
    assert "prefect-mlops new NAME" in result.stderr


def test_sync_writes_and_sync_check_only_looks(project: Path) -> None:
    path = project / "specs" / "credit-risk.yaml"
    path.write_text(path.read_text().replace("max_per_month: 4", "max_per_month: 3"))
    before = (project / "prefect.yaml").read_text()

    assert call("sync", "--check", "--project", project).exit_code == 1
    assert (project / "prefect.yaml").read_text() == before

    assert call("sync", "--project", project).exit_code == 0
    assert call("sync", "--check", "--project", project).exit_code == 0


@pytest.mark.parametrize("arguments", [["sync", "--nonsense"], ["new"], ["land", "m", "f", "--as-of", "yesterday"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert call(*arguments).exit_code == 2


def test_bootstrap_without_a_server_says_what_to_start(project: Path, tmp_path: Path, free_port: object) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    assert callable(free_port)
    nobody = {PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(nobody):
        result = call("bootstrap", "--project", project, "--home", tmp_path / "home")

    assert result.exit_code == 1
    assert "prefect server start" in result.stderr
    assert "Traceback" not in result.output
