"""Keep candidates in the MLflow registry, with all that it takes to judge, serve and repeat them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefect import task

from prefect_mlops.core.errors import NotFound
from prefect_mlops.core.evidence import Decision, Evidence
from prefect_mlops.core.lineage import Lineage
from prefect_mlops.core.names import logged_name
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.model_files import log_model_file
from prefect_mlops.tasks.recording import log_search, write_holdout, write_report

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import DatasetInput

    from prefect_mlops.blocks import DeltaTables, MlflowTracking
    from prefect_mlops.core.experiments.records import Report
    from prefect_mlops.core.lineage import DataVersion
    from prefect_mlops.core.profile import ReferenceProfile
    from prefect_mlops.core.search.results import SearchResult
    from prefect_mlops.core.trainers import FittedModel
    from prefect_mlops.core.trainers.stored import StoredModel

__all__ = ["Logged", "Package", "fetch_package", "log_candidate", "records_of"]

FOLDER = "mlops"
MODEL_FILE = "model.skops"
GOLDEN_ROWS = 50
DIGEST_SHOWN = 36
"""Characters of a digest that MLflow's table of datasets holds."""


class Logged(NamedTuple):
    """Where a training is on record: its MLflow run, its version (0 when none was registered), and a link."""

    run: str
    version: int
    link: str


class Package(NamedTuple):
    """What the registry keeps of one version for serving it: bytes and records, nothing unpickled.

    Attributes:
        version: Its number in the registry.
        model: The fitted pipeline in skops's format.
        trusted: Types that loading it must trust.
        features: The columns it takes, in order.
        classes: The labels it can say, in the order of its probabilities.
        golden: Rows with the answers that serving must give, as JSON.
        lineage: What it was made from.
        onnx: The same model for ONNX Runtime; empty where that does not say the same.
        without_onnx: Why it is empty.
        threshold: The chance from which on the positive class is said; None where the likelier class is said.
        quantiles: The quantiles that a regression says, rising.
    """

    version: int
    model: bytes
    trusted: tuple[str, ...]
    features: tuple[str, ...]
    classes: tuple[bool | int | str, ...]
    golden: str
    lineage: Lineage
    onnx: bytes = b""
    without_onnx: str = ""
    threshold: float | None = None
    quantiles: tuple[float, ...] = ()


@task
def log_candidate(
    tracking: MlflowTracking,
    spec: ModelSpec,
    candidate: FittedModel,
    evidence: Evidence,
    decision: Decision,
    lineage: Lineage,
    profile: ReferenceProfile,
    reference: pd.DataFrame,
    tables: DeltaTables | None = None,
    judging: pd.DataFrame | None = None,
    report: Report | None = None,
    search: SearchResult | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> Logged:
    """Log one training as an MLflow run; register it as a version when it was accepted.

    The model is logged in skops format, with its signature and the requirements it needs. A run that cannot be
    finished is marked failed and registers nothing. With `tables` the run's input says where its table lies, with
    `judging` the run keeps what `compare_runs` compares by, and `report` and `search` lie beside the model, as does the
    decision with its `pictures`, as a page. Tags say what each kind of gate said, on the version too.

    Returns:
        Where it is on record; the registry version has the alias `candidate`.

    Raises:
        TrackingUnavailable: MLflow does not answer.
        TrainingError: The model holds a type that cannot be stored safely, or the spec wants a runtime that does not
            say what the model says.
    """
    from prefect_mlops.core.decisions.report import decision_page
    from prefect_mlops.core.decisions.tags import decision_tags
    from prefect_mlops.core.trainers.stored import stored
    from prefect_mlops.tasks.served_form import FORM, ONNX_FILE, converted_for, form_of

    file, tags = stored(candidate), decision_tags(evidence, decision)
    converted = converted_for(spec, candidate, reference) if decision.accepted else None
    client = tracking.client()
    tracking.activate()
    import mlflow

    experiment = tracking.experiment_id(spec.name)
    with mlflow.start_run(experiment_id=experiment, run_name=evidence.candidate) as run:
        mlflow.log_params({"spec": spec.digest[:12], "seed": spec.seed, **_flat(lineage.parameters)})
        spread = {f"{m.subject}_{logged_name(m.metric)}_error": m.standard_error for m in evidence.measurements}
        mlflow.log_metrics({f"{m.subject}_{logged_name(m.metric)}": m.value for m in evidence.measurements} | spread)
        if report is not None and report.record.usage is not None:
            mlflow.log_metrics(report.record.usage.model_dump())
        mlflow.set_tags({**tags, "mlops.data": lineage.data.digest})
        client.log_inputs(run.info.run_id, [_dataset(lineage.data, tables)])
        with tempfile.TemporaryDirectory() as folder:
            _write_records(Path(folder), spec, candidate, evidence, decision, lineage, profile, reference, file)
            if converted and converted.content:
                Path(folder, ONNX_FILE).write_bytes(converted.content)
            Path(folder, FORM).write_text(form_of(candidate, file.trusted, converted).model_dump_json())
            page = decision_page(spec, evidence, decision, {}, pictures)
            Path(folder, "decision.html").write_text(page, encoding="utf-8")
            if judging is not None:
                write_holdout(Path(folder), spec, candidate, judging)
            if report is not None:
                write_report(Path(folder), report)
            mlflow.log_artifacts(folder, FOLDER)
        if search is not None:
            log_search(client, run.info.run_id, experiment, spec, search)
        model_uri = log_model_file(candidate, file, reference)
    logged = Logged(run.info.run_id, 0, tracking.run_url(experiment, run.info.run_id))
    if not decision.accepted:
        return logged
    version = mlflow.register_model(model_uri, spec.name, tags=tags)
    client.set_registered_model_alias(spec.name, "candidate", version.version)
    return logged._replace(version=int(version.version))


@task
def fetch_package(tracking: MlflowTracking, spec: ModelSpec, version: int) -> Package:
    """What it takes to serve a version.

    Raises:
        NotFound: The registry has no such version.
    """
    from prefect_mlops.tasks.served_form import read_form

    folder = records_of(tracking, spec.name, version)
    form, onnx = read_form(folder)
    return Package(
        version=version,
        model=(folder / MODEL_FILE).read_bytes(),
        trusted=form.trusted,
        features=form.features,
        classes=form.classes,
        golden=(folder / "golden.json").read_text(),
        lineage=Lineage.model_validate_json((folder / "lineage.json").read_text()),
        onnx=onnx,
        without_onnx=form.onnx.reason,
        threshold=form.threshold,
        quantiles=form.quantiles,
    )


def _write_records(
    folder: Path,
    spec: ModelSpec,
    candidate: FittedModel,
    evidence: Evidence,
    decision: Decision,
    lineage: Lineage,
    profile: ReferenceProfile,
    reference: pd.DataFrame,
    file: StoredModel,
) -> None:
    """One file a record; `golden.json` holds rows with the answers that serving must give.

    A golden row is an example for everyone, so all of them have the mean in place of a personal value.
    """
    import json

    from prefect_mlops.core.trainers.golden import golden_rows

    rows = reference.head(GOLDEN_ROWS)
    hidden = [name for name in spec.features.numeric if name in spec.data.personal]
    rows = rows.assign(**{name: float(reference[name].mean()) for name in hidden})
    golden = golden_rows(candidate, rows, spec.features.category)
    (folder / MODEL_FILE).write_bytes(file.content)
    for name, record in (("evidence", evidence), ("decision", decision), ("lineage", lineage), ("profile", profile)):
        (folder / f"{name}.json").write_text(record.model_dump_json(indent=1))
    (folder / "spec.json").write_text(spec.model_dump_json(indent=1))
    (folder / "golden.json").write_text(json.dumps(golden))


def records_of(tracking: MlflowTracking, model: str, version: int) -> Path:
    """The folder with all that `log_candidate` kept of a version.

    Raises:
        NotFound: The version or its artifacts are gone.
    """
    from mlflow.exceptions import MlflowException

    client = tracking.client()
    tracking.activate()
    import mlflow

    try:
        found = client.get_model_version(model, str(version))
        return Path(mlflow.artifacts.download_artifacts(run_id=found.run_id, artifact_path=FOLDER))
    except (MlflowException, OSError) as error:
        cure = "Look at the registry in the MLflow UI; train again if its artifacts are gone"
        raise NotFound("registry version", f"{model} {version}", f"{cure} ({error})") from error


def _dataset(data: DataVersion, tables: DeltaTables | None) -> DatasetInput:
    """The training rows as an input of the run, by our digest over all of them, of which MLflow's column holds half.

    MLflow's own digest reads the first 10,000 rows. No row is read for this one. The table's address is written
    without a user, a password or anything else that may be secret.
    """
    import json
    from urllib.parse import urlsplit

    from mlflow.entities import Dataset, DatasetInput, InputTag

    place = {"delta_table_name": data.table}
    if tables is not None:
        path = tables.path(data.table)
        address = urlsplit(path)
        bare = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        place = {"path": bare if "://" in path else path}
    columns = [{"name": name, "type": kind, "required": False} for name, kind in data.columns.items()]
    dataset = Dataset(
        name=data.table,
        digest=data.digest[:DIGEST_SHOWN],
        source_type="delta_table",
        source=json.dumps({**place, "delta_table_version": data.version}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": data.rows, "first": data.first, "last": data.last, "digest": data.digest}),
    )
    return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", "training")])


def _flat(parameters: dict[str, object]) -> dict[str, str]:
    return {key: str(value)[:500] for key, value in parameters.items()}
