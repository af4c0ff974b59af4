"""The input of a training run: which rows, by a digest over all of them, and where they lie."""

import json
from pathlib import Path

import mlflow
import pytest
from mlflow.data.dataset_source_registry import get_dataset_source_from_json
from mlflow.tracking import MlflowClient

from prefect_mlops.blocks import DeltaTables
from prefect_mlops.core.lineage import DataVersion
from prefect_mlops.tasks.registry import _dataset

ROWS = DataVersion(
    table="churn-accepted", version=7, rows=20_000, digest="0123456789abcdef" * 4, columns={"age": "int64"}
)


@pytest.mark.parametrize(
    ("root", "place"),
    [
        ("s3://bucket/tables", "s3://bucket/tables/churn-accepted"),
        ("s3://user:secret@bucket/tables/", "s3://bucket/tables/churn-accepted"),
        ("relative", str(Path("relative").absolute() / "churn-accepted")),
    ],
)
def test_the_source_is_the_tables_path_and_version_without_secrets(root: str, place: str) -> None:
    dataset = _dataset(ROWS, DeltaTables(root=root)).dataset

    source = get_dataset_source_from_json(dataset.source, dataset.source_type)

    assert "secret" not in dataset.source
    assert (source.path, source.delta_table_version) == (place, 7)


def test_the_digest_of_all_rows_is_kept_whole_and_mlflow_stores_it(tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.create_run(client.create_experiment("churn", str(tmp_path / "artifacts")))
    client.log_inputs(run.info.run_id, [_dataset(ROWS, None)])

    (given,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    profile = json.loads(given.dataset.profile)

    assert (given.dataset.name, given.tags[0].value) == ("churn-accepted", "training")
    assert ROWS.digest.startswith(given.dataset.digest)
    assert (profile["digest"], profile["num_rows"]) == (ROWS.digest, 20_000)
    assert mlflow.active_run() is None
