"""Take a model that somebody else registered in MLflow, and make it champion with its origin told as unknown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefect import task

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.evidence import Decision, Evidence
from prefect_mlops.core.lineage import UNKNOWN, DataVersion, Lineage
from prefect_mlops.core.reign import ADOPTED, TAKES_OVER
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.tasks.champions import promote_version
from prefect_mlops.tasks.governance import record_stage
from prefect_mlops.tasks.registry import fetch_package, log_candidate
from prefect_mlops.tasks.runs import run_name

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from prefect_mlops.blocks import Ledger, MlflowTracking

__all__ = ["Adopted", "Source", "adopt_version", "fetch_source"]

URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[^/@]+))")
ADOPTED_TAG = "mlops.adopted"
AGAIN = "log it with mlflow.sklearn.log_model(..., serialization_format='skops'), register it, and adopt that version"
AGAIN_FITTED = "Log it again with the versions of scikit-learn and skops that are installed here"


class Source(NamedTuple):
    """A registered model as somebody else logged it.

    Attributes:
        uri: `models:/NAME/VERSION`, an alias resolved.
        run: Its MLflow run, or its source where it has none.
        estimator: The fitted estimator.
        columns: The columns that it takes, in its order.
    """

    uri: str
    run: str
    estimator: Any
    columns: tuple[str, ...]


class Adopted(NamedTuple):
    """What became of it: its version under the spec's name, the champion before it, and one sentence."""

    version: int
    previous: int | None
    reason: str


@task
def fetch_source(tracking: MlflowTracking, spec: ModelSpec, uri: str, trust_pickle: bool = False) -> Source:
    """Load a scikit-learn model from the registry, without running any code of it unless that was asked for.

    Args:
        tracking: Where it is registered.
        spec: What the model must be; a version that we made for it is not adopted again.
        uri: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        trust_pickle: Load it although it is stored as a pickle.

    Raises:
        NotFound: There is no such version, or its artifacts are gone.
        DataError: The URI is none, the model is no scikit-learn model, or it is a pickle and `trust_pickle` was not
            given, or it holds types that are not safe to load, or names no columns.
        TrackingUnavailable: MLflow does not answer.
    """
    from mlflow.exceptions import MlflowException

    form = URI.fullmatch(uri)
    if form is None:
        raise DataError(f"{uri!r} names no registered version", "Write models:/NAME/VERSION or models:/NAME@ALIAS")
    client = tracking.client()
    tracking.activate()
    import mlflow

    name = form["name"]
    try:
        version = form["version"] or client.get_model_version_by_alias(name, form["alias"]).version
        found = client.get_model_version(name, str(version))
        exact = f"models:/{name}/{version}"
        if name == spec.name and {"mlops.decision", ADOPTED_TAG} & set(found.tags):
            cure = f"Run mlops-rollback/{name} with version {version} to make it champion"
            raise DataError(f"{exact} was registered by mlops-train or adopted before", cure)
        info = mlflow.models.get_model_info(exact)
        folder = Path(mlflow.artifacts.download_artifacts(exact))
    except (MlflowException, OSError) as error:
        cure = "Look at the registry in the MLflow UI for its name, version and artifacts"
        raise NotFound("registry version", uri, f"{cure} ({_first_line(error)})") from error
    estimator = _loaded(exact, folder, dict(info.flavors or {}), trust_pickle)
    signed = info.signature.inputs.input_names() if info.signature and info.signature.inputs else []
    return Source(exact, str(found.run_id or found.source), estimator, _columns(exact, estimator, signed))


@task
def adopt_version(
    tracking: MlflowTracking,
    ledger: Ledger,
    spec: ModelSpec,
    source: Source,
    rows: pd.DataFrame,
    as_of: datetime,
    replace: bool = False,
) -> Adopted:
    """Register somebody else's model under the spec's name and make it champion, with lineage `unknown`.

    Nobody knows what it learned from. The rows given stand for that: their profile is its reference, and the newest
    of them is its cut-off, so that where rows have a time the next candidate is judged on newer ones only. Where they
    have none, the judging rows may be among those that it learned from, which favours it. The same source is
    registered once, whatever rows it comes with.

    Args:
        tracking: Registry of both models.
        ledger: Where `champion.adopted` is recorded.
        spec: What the model must be.
        source: From `fetch_source`.
        rows: Labelled rows in the types that it was trained on, its training rows at best.
        as_of: When it was adopted; also the end of what it can have learned from where rows have no time.
        replace: Take the place of a champion that is there.

    Raises:
        DataError: There is a champion already, or the model, the spec and the rows do not fit each other.
        TrainingError: The model holds a type that cannot be stored safely.
        TrackingUnavailable: MLflow does not answer.
    """
    champion, version = tracking.champion(spec.name), _known(tracking, spec, source)
    if version is None or version != champion:
        _refuse_to_oust(spec, champion, replace)
    facts: dict[str, object] = {"source": source.uri, "decision": _decision(source)}
    if version is None:
        version, facts["lineage"], facts["evidence"] = _registered(tracking, spec, source, rows, as_of)
    else:
        facts["lineage"] = fetch_package.fn(tracking, spec, version).lineage
    _tag(tracking, spec, version, source)
    said = f"{source.uri} is champion of {spec.name}"
    if champion == version and _on_record(ledger, spec, version):
        return Adopted(version, None, f"{said} already, as version {version}.")
    previous = None if champion == version else promote_version.fn(tracking, spec, version, as_of)
    body = {"version": version, "previous": previous, **facts}
    record_stage.fn(ledger, spec, ADOPTED, str(version), as_of, body)
    instead = f" instead of version {previous}" if previous else ""
    return Adopted(version, previous, f"{said} as version {version}{instead}.")


def _decision(source: Source) -> Decision:
    summary = f"Adopted from {source.uri}: its origin is unknown, and no gate has judged it."
    return Decision(outcome="accepted", verdicts=(), summary=summary)


def _registered(
    tracking: MlflowTracking, spec: ModelSpec, source: Source, rows: pd.DataFrame, as_of: datetime
) -> tuple[int, Lineage, Evidence]:
    """A new version with all records that a trained one has."""
    from prefect_mlops.core.profiling import profile_reference
    from prefect_mlops.core.trainers.adopted import adopted

    model = adopted(spec, source.estimator, source.columns, rows)
    profile = profile_reference(spec, model, rows)
    lineage = _lineage(spec, source, rows, as_of)
    evidence = Evidence(
        model=spec.name,
        candidate=source.uri,
        judged_on=f"{len(rows):,} rows given with it, which it may have learned from",
        holdout_digest="",
        measurements=profile.measurements,
    )
    logged = log_candidate.fn(tracking, spec, model, evidence, _decision(source), lineage, profile, rows)
    return logged.version, lineage, evidence


def _tag(tracking: MlflowTracking, spec: ModelSpec, version: int, source: Source) -> None:
    """Whoever looks at the MLflow UI sees where it came from."""
    client = tracking.client()
    run = client.get_model_version(spec.name, str(version)).run_id
    for tag, value in ((ADOPTED_TAG, source.uri), ("mlops.decision", "adopted")):
        client.set_model_version_tag(spec.name, str(version), tag, value)
        client.set_tag(run, tag, value)


def _on_record(ledger: Ledger, spec: ModelSpec, version: int) -> bool:
    """Whether the ledger's last champion is this version; a run before this one may have died before it wrote."""
    changes = [record for record in ledger.records(model=spec.name) if record.stage in TAKES_OVER]
    return bool(changes) and changes[-1].subject == str(version)


def _loaded(uri: str, folder: Path, flavors: dict[str, Any], trust_pickle: bool) -> Any:
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    flavor = flavors.get("sklearn")
    if flavor is None:
        others = ", ".join(sorted(flavors)) or "none"
        raise DataError(f"{uri} is no scikit-learn model: its flavours are {others}", f"Take one, {AGAIN}")
    file = folder / flavor["pickled_model"]
    if flavor.get("serialization_format") == "skops":
        estimator = _from_skops(uri, file)
    elif not trust_pickle:
        raise DataError(
            f"{uri} is stored as a pickle, and loading one runs whatever code its author put into it",
            f"Give --trust-pickle if you trust its author, or {AGAIN}",
        )
    else:
        estimator = _from_pickle(uri)
    try:
        if not isinstance(estimator, BaseEstimator):
            raise DataError(f"{uri} holds a {type(estimator).__name__}, which is no estimator", f"Take one, {AGAIN}")
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise DataError(f"{uri} holds an estimator that was never fitted", f"Fit it, {AGAIN}") from error
    return estimator


def _from_skops(uri: str, file: Path) -> Any:
    import skops.io

    from prefect_mlops.core.trainers.contents import strange_types

    try:
        held = skops.io.get_untrusted_types(file=file)
        strange = strange_types(held)
        if not strange:
            return skops.io.load(file, trusted=held)
    except Exception as error:  # whatever a damaged file or another version of skops brings
        raise DataError(f"{uri} cannot be read ({type(error).__name__}: {_first_line(error)})", AGAIN_FITTED) from error
    raise DataError(
        f"{uri} holds {', '.join(strange)}, and a stored model may hold only types of scikit-learn, numpy, scipy and "
        "LightGBM, for loading others could run any code",
        f"Replace them, {AGAIN}",
    )


def _from_pickle(uri: str) -> Any:
    import mlflow

    try:
        return mlflow.sklearn.load_model(uri)
    except Exception as error:  # a pickle may raise anything
        raise DataError(f"{uri} cannot be read ({type(error).__name__}: {_first_line(error)})", AGAIN_FITTED) from error


def _columns(uri: str, estimator: Any, signed: list[str]) -> tuple[str, ...]:
    """The names it was fitted with; else those of its signature."""
    names = getattr(estimator, "feature_names_in_", None)
    found = tuple(map(str, signed if names is None else names))
    if not found:
        raise DataError(
            f"{uri} names no columns: it was fitted on an array and has no signature",
            f"Fit it on a DataFrame, {AGAIN}",
        )
    return found


def _known(tracking: MlflowTracking, spec: ModelSpec, source: Source) -> int | None:
    """The version that this very source was registered as before; what a run before this one may not have tagged."""
    client = tracking.client()
    wanted = f"params.source = '{source.uri}' and params.source_run = '{source.run}'"
    for run in client.search_runs([tracking.experiment_id(spec.name)], wanted):
        for version in client.search_model_versions(f"run_id = '{run.info.run_id}'"):
            if version.name == spec.name:
                return int(version.version)
    return None


def _refuse_to_oust(spec: ModelSpec, champion: int | None, replace: bool) -> None:
    if champion is not None and not replace:
        raise DataError(
            f"{spec.name} has a champion already, version {champion}",
            "Give --replace to put the adopted model in its place; mlops-rollback brings it back",
        )


def _lineage(spec: ModelSpec, source: Source, rows: pd.DataFrame, as_of: datetime) -> Lineage:
    """What is known: the columns, and the span of the rows given. What it was made from is unknown, and says so."""
    time = spec.data.time
    span = DataVersion.of(rows[[time]], UNKNOWN, -1, time) if time else DataVersion.of(rows.head(0), UNKNOWN, -1)
    columns = {str(name): str(dtype) for name, dtype in rows.dtypes.items()}
    data = span.model_copy(update={"rows": -1, "digest": "", "columns": columns})
    return Lineage(
        model=spec.name,
        data=data,
        labels_version=-1,
        commit="",
        spec_digest=spec.digest,
        lock_digest="",
        seed=spec.seed,
        parameters={"kind": UNKNOWN, "source": source.uri, "source_run": source.run, "adopted_by": run_name()},
        holdout_digest="",
        cutoff=data.last,
        as_of=as_of.isoformat(),
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
