"""Tables when the machine fails: writers killed fifty times, a full disk, and a bucket instead of a disk."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from pydantic import SecretStr

from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.core.errors import DataError, SchemaMismatch, StorageError

pytestmark = pytest.mark.process

KILLS, ROWS_A_BATCH = 50, 200
WRITER = """
import sys
import pandas as pd
from prefect_mlops.blocks.tables import DeltaTables

tables, number = DeltaTables(root=sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
while True:
    tables.append("t", pd.DataFrame({"batch": [number] * 200, "row": range(200)}), f"b{number}")
    print(number, flush=True)
    number += 1
"""
READER = """
import sys
from prefect_mlops.blocks.tables import DeltaTables

tables, looks = DeltaTables(root=sys.argv[1]), 0
while True:
    if tables.exists("t"):
        counts = tables.read("t")["batch"].value_counts()
        assert set(counts) <= {200}, counts
        looks += 1
        print(looks, flush=True)
"""


@pytest.mark.slow
def test_fifty_kills_in_the_middle_of_an_append_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(0)
    tables, told = DeltaTables(root=str(tmp_path)), -1
    with subprocess.Popen([sys.executable, "-c", READER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as reader:
        for _ in range(KILLS):
            command = [sys.executable, "-c", WRITER, str(tmp_path), str(told + 1)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout is not None
                assert writer.stdout.readline() == "ready\n"
                time.sleep(chance.uniform(0, 0.4))
                os.kill(writer.pid, signal.SIGKILL)
                told = max([told, *(int(line) for line in writer.stdout if line.strip().isdigit())])
            # The next writer brings the first batch again that nobody told of: it may be in the table already.
        assert reader.poll() is None, "the reader met a table that it could not read, or half a batch"
        reader.kill()
        assert reader.stdout is not None
        looks = len(reader.stdout.readlines())

    counts = tables.read("t")["batch"].value_counts().sort_index()
    print(f"\n{KILLS} kills: {len(counts)} batches, {looks} looks of a second process")
    assert counts.index.tolist() == list(range(len(counts)))
    assert len(counts) in (told + 1, told + 2)
    assert set(counts) == {ROWS_A_BATCH}
    assert looks > KILLS


SMALL_DISK = """
set -e
mkdir -p "$1"
mount -t tmpfs -o size=2m tmpfs "$1"
exec "$2" -c "$3" "$1"
"""
ON_A_SMALL_DISK = """
import subprocess
import sys
import numpy as np
import pandas as pd
from prefect_mlops.blocks.tables import DeltaTables
from prefect_mlops.core.errors import DataError, StorageError

root = sys.argv[1]
tables = DeltaTables(root=root)
rows = lambda number: pd.DataFrame({"batch": number, "x": np.random.default_rng(number).random(20_000)})
written = 0
try:
    for number in range(100):
        tables.append("t", rows(number), f"b{number}")
        written += 1
except StorageError as error:
    assert not isinstance(error, DataError)
    print(error)
assert 0 < written < 100
version = tables.version("t")
assert tables.read("t")["batch"].value_counts().to_dict() == dict.fromkeys(range(written), 20_000)
subprocess.run(["mount", "-o", "remount,size=16m", root], check=True)
tables.append("t", rows(written), f"b{written}")
assert tables.read("t")["batch"].value_counts().to_dict() == dict.fromkeys(range(written + 1), 20_000)
print("went on at", tables.version("t"), "after", version)
"""


def test_a_full_disk_leaves_the_table_at_its_last_version(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a mount namespace of its own is not allowed here: run as root, or allow user namespaces")

    bash = ["unshare", "-rm", "bash", "-c", SMALL_DISK, "disk"]
    done = subprocess.run(
        [*bash, str(tmp_path / "disk"), sys.executable, ON_A_SMALL_DISK],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "No space left on device" in done.stdout
    assert "It is at its last version" in done.stdout
    assert "went on at" in done.stdout


def test_a_bucket_keeps_the_same_promises(delta_bucket: dict[str, SecretStr]) -> None:
    tables = DeltaTables(root="s3://lake/models", storage_options=delta_bucket)
    rows = pd.DataFrame({"id": [1, 2], "x": [0.5, None]})

    first = tables.append("t", rows, "b1")
    second = tables.append("t", rows.assign(id=[3, 4]), "b2")

    assert tables.append("t", rows, "b1") == first
    assert (first.version, second.version) == (0, 1)
    with pytest.raises(DataError, match="Other rows"):
        tables.append("t", rows.head(1), "b1")
    with pytest.raises(SchemaMismatch, match="id"):
        tables.append("t", rows.assign(id="x"), "b3")
    assert sorted(tables.read("t")["id"]) == [1, 2, 3, 4]
    assert tables.read("t", version=0)["id"].tolist() == [1, 2]
    assert tables.find("t", "b2") == second


def test_four_writers_of_one_bucket_lose_and_double_nothing(delta_bucket: dict[str, SecretStr]) -> None:
    tables = DeltaTables(root="s3://lake/models", storage_options=delta_bucket)

    def append(number: int) -> int:
        return tables.append("t", pd.DataFrame({"id": [number % 4] * 3}), f"b{number % 4}").version

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(append, range(8)))

    assert versions[:4] == versions[4:]
    assert sorted(versions[:4]) == [0, 1, 2, 3]
    assert tables.read("t")["id"].value_counts().to_dict() == dict.fromkeys(range(4), 3)


def test_a_bucket_that_does_not_answer_is_told_without_its_keys() -> None:
    options = {"aws_endpoint_url": "http://127.0.0.1:9", "aws_allow_http": "true", "max_retries": "1"}
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "aws_region": "us-east-1"}
    secret = {name: SecretStr(value) for name, value in {**options, **keys}.items()}
    tables = DeltaTables(root="s3://lake/models", storage_options=secret)

    for act in (lambda: tables.read("t"), lambda: tables.append("t", pd.DataFrame({"id": [1]}), "b1")):
        with pytest.raises(StorageError, match="cannot be reached") as raised:
            act()
        assert "testing" not in str(raised.value)
