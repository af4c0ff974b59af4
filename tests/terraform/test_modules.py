"""The modules as Terraform itself tests them, and the rules that all of them keep."""

import json
import re
from pathlib import Path

import pytest

from prefect_mlops.blocks import EcsTarget
from prefect_mlops.core.names import MODEL_PATTERN
from tests.terraform.conftest import Terraform

FOLDER = Path(__file__).parents[2] / "terraform"
MODULES = sorted(path.name for path in (FOLDER / "modules").iterdir())
TESTS = sorted(path.name.partition(".")[0] for path in (FOLDER / "tests").glob("*.tftest.hcl"))
EXAMPLES = sorted(path.name for path in (FOLDER / "examples").iterdir())
BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
pytestmark = [pytest.mark.process, pytest.mark.timeout(1500)]  # one process tests all modules


@pytest.fixture(scope="module")
def tested(terraform: Terraform) -> dict[str, list[str]]:
    """What each file of tests said; one process runs them all, because starting the provider is most of the work."""
    done = terraform("test", "-json")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    said: dict[str, list[str]] = {name: [] for name in TESTS}
    for line in lines:
        name = Path(line.get("@testfile", "")).name.partition(".")[0]
        if name and line["type"] == "test_run" and line["test_run"].get("progress") == "complete":
            run = line["test_run"]
            said[name].append(f"{run['status']}: {run['run']}")
        elif name and line["type"] == "diagnostic":
            said[name].append(f"error: {line['@message']} {line['diagnostic'].get('detail', '')}")
    assert sum(map(len, said.values())), done.stdout
    return said


@pytest.mark.parametrize("name", TESTS)
def test_a_module_refuses_and_makes_what_it_says(tested: dict[str, list[str]], name: str) -> None:
    assert tested[name]
    assert not [said for said in tested[name] if not said.startswith("pass: ")]


def test_every_module_is_tested() -> None:
    assert set(MODULES) <= set(TESTS)


def test_everything_is_formatted(terraform: Terraform) -> None:
    done = terraform("fmt", "-check", "-recursive", "-diff")

    assert done.returncode == 0, done.stdout


def test_the_examples_of_all_readmes_fit_together_and_the_two_examples_are_valid(terraform: Terraform) -> None:
    together = terraform.folder / "examples" / "readmes"
    together.mkdir()
    for name in EXAMPLES:
        given = "".join(
            f'  {key} = "https://x.example.org/api"\n' for key in ("prefect_api_url", "mlflow_tracking_uri")
        )
        body = f'  source = "../{name}"\n{given if name == "minimal" else ""}'
        (together / f"example_{name}.tf").write_text(f'module "example_{name}" {{\n{body}}}\n')
    (together / "versions.tf").write_text((FOLDER / "versions.tf").read_text())
    for module in MODULES:
        (example,) = re.findall(r"```hcl\n(.*?)```", (FOLDER / "modules" / module / "README.md").read_text(), re.DOTALL)
        assert f'source = "../../modules/{module}"' in re.sub(" +", " ", example)
        (together / f"{module}.tf").write_text(example)
    terraform.init("examples/readmes")

    valid = terraform("validate", "-no-color", within="examples/readmes")
    formatted = terraform("fmt", "-check", "-diff", *(f"{name}.tf" for name in MODULES), within="examples/readmes")

    assert valid.returncode == 0, valid.stdout
    assert formatted.returncode == 0, formatted.stdout


@pytest.mark.parametrize(
    "place", [*(f"modules/{name}" for name in MODULES), *(f"examples/{name}" for name in EXAMPLES)]
)
def test_every_variable_and_output_is_described_and_every_variable_typed(place: str) -> None:
    found = [block for path in (FOLDER / place).glob("*.tf") for block in BLOCK.findall(path.read_text())]

    assert found
    assert not [name for _, name, text in found if not re.search(r'^  description = ".{10,}\.?"$', text, re.MULTILINE)]
    assert not [
        name for kind, name, text in found if kind == "variable" and not re.search(r"^  type +=", text, re.MULTILINE)
    ]


@pytest.mark.parametrize("module", MODULES)
def test_every_message_of_a_module_names_the_variable_it_is_about(module: str) -> None:
    text = (FOLDER / "modules" / module / "variables.tf").read_text()

    for _, name, block in BLOCK.findall(text):
        for message in re.findall(r'^    error_message = "(.*)"$', block, re.MULTILINE):
            assert f"`{name}`" in message or f"`{name}." in message, message


def test_the_output_of_serving_is_what_the_target_block_takes() -> None:
    (value,) = re.findall(
        r'output "target" \{.*?value = \{\n(.*?)\n  \}', (FOLDER / "modules/serving/outputs.tf").read_text(), re.DOTALL
    )
    given = set(re.findall(r"^    (\w+) +=", value, re.MULTILINE))
    needed = {name for name, field in EcsTarget.model_fields.items() if field.is_required()}

    assert needed <= given <= set(EcsTarget.model_fields)


def test_terraform_and_specs_agree_on_what_a_model_is_called() -> None:
    assert f'regex("{MODEL_PATTERN}", model)' in (FOLDER / "modules/serving/variables.tf").read_text()
