"""Every block shows itself in the Prefect UI, hides its secrets, and loads where only Prefect is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import SecretStr

from prefect_mlops import blocks
from prefect_mlops.blocks import (
    DeltaTables,
    FileSource,
    LandingQueue,
    Ledger,
    MlflowTracking,
    MlopsSettings,
    Places,
    SqlSource,
)
from prefect_mlops.blocks.settings import place

ALL = [
    found for name in blocks.__all__ if isinstance(found := getattr(blocks, name), type) and issubclass(found, Block)
]


class TestEveryBlock(BlockStandardTestSuite):
    @pytest.fixture(params=ALL)
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        found: type[Block] = request.param
        return found

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        try:
            urlopen(str(block._logo_url), timeout=3).close()
        except (URLError, TimeoutError, OSError):
            pytest.skip("the logo's host cannot be reached from here")
        super().test_has_a_valid_image(block)


@pytest.mark.parametrize("block", ALL)
def test_every_slug_begins_with_ours(block: type[Block]) -> None:
    assert block.get_block_type_slug().startswith("mlops-")
    assert block.get_block_type_name().startswith("MLOps ")


def test_importing_the_blocks_loads_no_heavy_client() -> None:
    code = (
        "import sys, prefect_mlops.blocks; heavy = {'mlflow', 'deltalake', 'pandas', 'pyarrow', 'great_expectations', "
        "'bentoml', 'boto3', 'sklearn'}; print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "block",
    [
        MlflowTracking(username="u", password=SecretStr("hunter2"), token=SecretStr("hunter2")),
        Ledger(url=SecretStr("postgresql://u:hunter2@db/ledger")),
        SqlSource(url=SecretStr("postgresql://u:hunter2@db/rows")),
        FileSource(folder="s3://b/in", storage_options={"aws_secret_access_key": SecretStr("hunter2")}),
        LandingQueue(url="https://q", secret_access_key=SecretStr("hunter2"), session_token=SecretStr("hunter2")),
        DeltaTables(storage_options={"aws_secret_access_key": SecretStr("hunter2")}),
    ],
)
def test_secrets_are_never_shown(block: Block) -> None:
    assert "hunter2" not in f"{block!r} {block} {block.model_dump()}"


def test_an_empty_field_is_resolved_when_it_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tables = DeltaTables()
    monkeypatch.setenv("PREFECT_INTEGRATIONS_MLOPS_HOME", str(tmp_path / "later"))

    assert tables.path("t") == str(tmp_path / "later" / "tables" / "t")
    assert place("", "suites") == tmp_path / "later" / "suites"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_INTEGRATIONS_MLOPS_COMMIT", "abc")

    assert MlopsSettings().commit == "abc"
    assert MlopsSettings().actor
    assert len(MlopsSettings.model_fields) < 10


def test_local_places_lie_in_one_folder(tmp_path: Path) -> None:
    places = Places.local(tmp_path)

    assert places.tables.path("t").startswith(str(tmp_path))
    assert str(tmp_path) in places.tracking.resolved_uri()
    assert str(tmp_path) in places.ledger.url.get_secret_value()
