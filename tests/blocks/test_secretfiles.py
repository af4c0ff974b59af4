"""The key of the stand-ins reaches a server by its environment, and stands nowhere else but in its owner's file."""

from __future__ import annotations

import stat
from pathlib import Path

import psutil
import pytest

from prefect_mlops.blocks import BentoStore
from prefect_mlops.blocks.secretfiles import keep_secret, read_secret
from prefect_mlops.blocks.serving import BentoProcess


def test_a_secret_is_kept_where_only_its_owner_reads_it(tmp_path: Path) -> None:
    assert read_secret(tmp_path, "m") == ""
    keep_secret(tmp_path, "m", "sixteen letters!")
    keep_secret(tmp_path, "m", "others this time")

    assert read_secret(tmp_path, "m") == "others this time"
    assert stat.S_IMODE((tmp_path / "secrets" / "m").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["m"]


@pytest.mark.process
def test_a_server_has_the_key_in_its_environment_and_not_on_its_command_line(tmp_path: Path, echo_folder) -> None:
    store = BentoStore(home=str(tmp_path / "bentos"))
    tag = store.build(echo_folder(1), "echo")
    process = BentoProcess.launch(
        store, tag, slot="a", spool=tmp_path / "spool", log=tmp_path / "log", personal="sixteen letters!"
    )
    try:
        running = psutil.Process(process.pid)
        assert running.environ()["MLOPS_PERSONAL_KEY"] == "sixteen letters!"
        assert "sixteen" not in " ".join(running.cmdline())
        assert "sixteen" not in process.model_dump_json()
    finally:
        process.stop()
