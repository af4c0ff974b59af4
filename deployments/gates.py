"""Proposes a model's gates from the newest evaluation on record."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from prefect_mlops.core.errors import DataError, MlopsError, NotFound
from prefect_mlops.core.evidence import Evidence
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.trying import home_of

__all__ = ["Proposed", "suggest_from_newest"]

EVIDENCE = "mlops/evidence.json"


class Proposed(NamedTuple):
    """Gates as YAML to review, and how many there are."""

    yaml: str
    gates: int


def suggest_from_newest(
    name: str, project: Path, output: Path | None = None, evidence: Path | None = None, environment: str = "default"
) -> Proposed:
    """Propose gates from the newest evaluation of a model: of `prefect-mlops try`, else of the ledger.

    Args:
        name: The model, whose spec is `specs/NAME.yaml`.
        project: The folder that holds the specs.
        output: The file to write; one that is there is not touched.
        evidence: An `evidence.json`, such as every MLflow run keeps under `mlops/`, to be taken instead.
        environment: Name of the block documents to use where nothing was tried here.

    Raises:
        NotFound: There is no such spec, or the model was never evaluated.
        DataError: The output is there already, or the file holds no evidence.
        SpecError: The spec is not valid.
    """
    from prefect_mlops.core.gates.suggesting import suggest_gates
    from prefect_mlops.core.specwriting import write_gates

    if output is not None and output.exists():
        raise DataError(f"{output} is there already", "Choose another --output")
    path = project / "specs" / f"{name}.yaml"
    if not path.is_file():
        raise NotFound("spec", str(path), f"Write it with `prefect-mlops new {name}`")
    spec = load_spec(path)
    found, where = _newest(spec, project, evidence, environment)
    suggested = suggest_gates(spec, found)
    champion = f", beside champion version {found.champion_version}" if found.champion_version else ""
    head = [
        f"Gates suggested for {name} from {where}: {found.candidate}, judged on",
        f"{found.judged_on or 'its hold-out'}{champion}. Review each, and put them into {path.name}.",
    ]
    text = write_gates([one.gate for one in suggested], [one.reason for one in suggested], head)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = output.with_name(f"{output.name}.part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(output)
    return Proposed(text, len(suggested))


def _newest(spec: ModelSpec, project: Path, file: Path | None, environment: str) -> tuple[Evidence, str]:
    if file is not None:
        if not file.is_file():
            raise NotFound("file", str(file), "Correct the path")
        return _read(file), file.name
    home = home_of(spec.name, project)
    if home.is_dir() and (found := _tried(spec, home)) is not None:
        return found, f"the newest run in {home}"
    return _recorded(spec, environment), f"the ledger of {environment!r}"


def _tried(spec: ModelSpec, home: Path) -> Evidence | None:
    """Of the newest training in the folder of `prefect-mlops try`."""
    from prefect_mlops.blocks import Places

    tracking = Places.local(home).tracking
    client = tracking.client()
    asked = {"filter_string": "tags.`mlops.decision` LIKE '%'", "order_by": ["attributes.start_time DESC"]}
    runs = client.search_runs([tracking.experiment_id(spec.name)], max_results=1, **asked)
    if not runs:
        return None
    with tempfile.TemporaryDirectory() as folder:
        return _read(Path(client.download_artifacts(runs[0].info.run_id, EVIDENCE, folder)))


def _recorded(spec: ModelSpec, environment: str) -> Evidence:
    """Of the newest candidate in the ledger."""
    from prefect_mlops.core.decisions.history import evidence_in
    from prefect_mlops.tasks import load_places

    cure = f"Train it once, such as with `prefect-mlops try {spec.name}`"
    try:
        ledger = load_places(environment).ledger
    except MlopsError as error:
        raise NotFound("evaluation of", spec.name, f"{cure} ({error})") from error
    for record in reversed(ledger.records(model=spec.name)):
        if record.stage.startswith("candidate.") and (found := evidence_in(record)) is not None:
            return found
    raise NotFound("evaluation of", spec.name, cure)


def _read(file: Path) -> Evidence:
    from pydantic import ValidationError

    try:
        return Evidence.model_validate_json(file.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        cure = "Name an evidence.json, as every MLflow run of mlops-train keeps it under mlops/"
        raise DataError(f"{file} holds no evidence", cure) from error
