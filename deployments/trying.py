"""Runs a model's life once in this process, from its rows to a package, without any server."""

import math
import os
import shlex
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.evidence import Evidence
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.new import data_of
from prefect_mlops.deployments.where import START_SERVER

__all__ = ["home_of", "try_model"]

FOLDER = ".try"


def try_model(name: str, project: Path, data: Path | None = None) -> Iterator[str]:
    """Ingest, train, judge and package a model once; everything lies in `.try/NAME`.

    Tables and ledger begin anew each time; MLflow keeps the runs of all tries, so that they can be compared.

    Args:
        name: The model, whose spec is `specs/NAME.yaml`.
        project: The folder that holds the specs.
        data: Its rows with labels; those that `prefect-mlops new` kept when absent.

    Yields:
        What happened, a line each.

    Raises:
        NotFound: There is no such spec or file.
        DataError: The rows were rejected.
        SpecError: The spec is not valid.
        MlopsError: Whatever a step raised.
    """
    from prefect_mlops import tasks
    from prefect_mlops.blocks import Places

    path = project / "specs" / f"{name}.yaml"
    if not path.is_file():
        raise NotFound("spec", str(path), f"Write it with `prefect-mlops new {name} --data FILE --target COLUMN`")
    spec, file = load_spec(path), data or data_of(name, project)
    if not file.is_file():
        raise NotFound("file", str(file), "Name the rows with --data FILE")
    home = home_of(name, project)
    home.mkdir(parents=True, exist_ok=True)
    for part in ("landing", "tables"):
        shutil.rmtree(home / part, ignore_errors=True)
    for file in home.glob("ledger.db*"):
        file.unlink()
    (home.parent / ".gitignore").write_text("*\n")
    places = Places.local(home)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

    batch = places.source.put(file, file.name)
    suite = tasks.load_suite.fn(places.suites, spec)
    moment = datetime.now(UTC)
    taken = tasks.take_batch.fn(places, places.source, spec, suite, batch, moment)
    yield f"ingest: {taken.outcome}. {taken.reason}"
    if taken.outcome == "rejected":
        raise DataError("The rows were rejected", "Correct them, or the suite in the spec, and try again")

    versions = tasks.pin_versions.fn(places.tables, spec)
    rows = tasks.load_labelled_rows.fn(places.tables, spec, moment, versions)
    sets = tasks.split_rows.fn(spec, rows, moment)
    yield f"train: {len(sets.training):,} rows teach, {len(sets.judging):,} judge ({sets.judged_on})"
    learned = tasks.learn_candidate.fn(spec, sets.training)
    if learned.search:
        yield f"search: {learned.search.summary}"
    timings = tasks.time_candidate.fn(spec, learned.model, sets.judging)
    evidence = tasks.evaluate_candidate.fn(spec, learned.model, sets, timings=timings)
    decision = tasks.judge_candidate.fn(spec, evidence)
    yield from _measured(evidence)
    yield from (f"  {verdict.gate}: {verdict.outcome}. {verdict.reason}" for verdict in decision.verdicts)
    yield f"gate: {decision.outcome}. {decision.summary}"
    profile = tasks.profile_candidate.fn(spec, learned.model, sets.reference)
    lineage = tasks.trace_lineage.fn(spec, sets, moment, versions, suite, learned.spec.trainer)
    report = tasks.report_experiment.fn(learned, sets, evidence, decision)
    logged = tasks.log_candidate.fn(
        places.tracking,
        spec,
        learned.model,
        evidence,
        decision,
        lineage,
        profile,
        sets.reference,
        places.tables,
        judging=sets.judging,
        report=report,
        search=learned.search,
        pictures=tasks.draw_decision.fn(spec, evidence, decision, report, places.ledger),
    )
    yield f"record: MLflow run {logged.run} in {places.tracking.resolved_uri()}"
    if logged.version:
        package = tasks.fetch_package.fn(places.tracking, spec, logged.version)
        bento = tasks.build_bento.fn(spec, package, places.bentos)
        yield f"package: {bento.tag} in {home / 'bentos'}"
    yield from _deploying(spec, file, bool(logged.version))


def home_of(name: str, project: Path) -> Path:
    """The folder in which all tries of a model lie."""
    return project / FOLDER / name


def _measured(evidence: Evidence) -> Iterator[str]:
    """Every metric of the candidate with its standard error, beside the constant baseline's."""
    for found in evidence.measurements:
        if found.subject == "candidate":
            if math.isnan(found.value):
                yield f"  {found.metric} is not measured: too few judging rows, in all or of a class"
                continue
            baseline = evidence.measured(found.metric, "baseline").value
            yield f"  {found.metric} {found.value:.4f} ± {found.standard_error:.4f} (baseline {baseline:.4f})"


def _deploying(spec: ModelSpec, file: Path, accepted: bool) -> Iterator[str]:
    if not accepted:
        yield f"Not accepted: change specs/{spec.name}.yaml (features, trainer, search), or bring more rows."
        return
    yield f"To deploy it, start `{START_SERVER}` in a terminal of its own,"
    yield "then `prefect-mlops bootstrap`, `prefect --no-prompt deploy --all`, `prefect worker start --pool local`"
    yield f"in one more, and `prefect-mlops land {spec.name} {shlex.quote(str(file))}`."
