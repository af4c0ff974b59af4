"""Holds a project's specs and its `prefect.yaml` against each other."""

from pathlib import Path

from prefect_mlops.core.errors import MlopsError
from prefect_mlops.core.rollout.fitting import lacking
from prefect_mlops.core.serving import Capabilities
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.sync import is_stale

__all__ = ["notes_of", "problems_of"]


def problems_of(project: Path, target: str = "") -> list[str]:
    """Everything that is wrong in a project, a line each; none when it can be deployed.

    Every spec must be valid, its file named after its model, its classes importable, its metrics known for its
    problem, its gates able to pass and to look, and `prefect.yaml` must be what `prefect-mlops sync` would write.
    With the slug of a serving target, no rollout plan may ask more than that target declares.

    Raises:
        NotFound: There is no such target.
        DataError: The slug names something else.
    """
    files = sorted((project / "specs").glob("*.yaml"))
    if not files:
        return [f"{project / 'specs'}: there is no spec. Write one with `prefect-mlops new NAME`."]
    problems: list[str] = []
    capabilities = _capabilities(target) if target else None
    valid = 0
    for path in files:
        try:
            spec = load_spec(path)
        except MlopsError as error:
            problems.append(str(error))
            continue
        valid += 1
        if path.stem != spec.name:
            problems.append(f"{path}: the spec is called {spec.name!r}. Rename the file to {spec.name}.yaml.")
        problems += [f"{path}: {problem}" for problem in _parts(spec)]
        if capabilities is not None:
            problems += [f"{path}: on {target}, {problem}" for problem in lacking(spec.rollout, capabilities)]
    return problems + (_stale(project) if valid == len(files) else [])


def notes_of(project: Path) -> list[str]:
    """What is allowed in a project's valid specs, and seldom meant; a line each."""
    from prefect_mlops.core.gates.reviewing import gate_notes

    notes = []
    for path in sorted((project / "specs").glob("*.yaml")):
        try:
            notes += [f"{path}: {note}" for note in gate_notes(load_spec(path))]
        except MlopsError:
            continue
    return notes


def _capabilities(slug: str) -> Capabilities:
    from prefect_mlops.blocks.serving_target import target_by_slug

    return target_by_slug(slug).capabilities()


def _parts(spec: ModelSpec) -> list[str]:
    """Gates and classes that cannot be used, unknown metrics, and searches for unknown parameters."""
    from prefect_mlops.core.evaluation import metrics_of
    from prefect_mlops.core.gates.reviewing import gate_problems
    from prefect_mlops.core.search.parameters import refuse_unknown
    from prefect_mlops.core.suites.written import suite_from

    found = list(gate_problems(spec))
    parts = (spec.resolved_trainer, spec.resolved_monitors)
    in_python = spec.suite.stored if ":" in (spec.suite.stored or "") else spec.suite  # the rest lies on the server
    for resolve in (*parts, lambda: suite_from(in_python), lambda: metrics_of(spec), lambda: refuse_unknown(spec)):
        try:
            resolve()
        except MlopsError as error:
            found.append(str(error))
    # What a gate was told for already is not told again.
    return [one for place, one in enumerate(found) if not any(one in before for before in found[:place])]


def _stale(project: Path) -> list[str]:
    path = project / "prefect.yaml"
    if not path.exists():
        return [f"{path}: it is missing. Write it with `prefect-mlops sync`."]
    try:
        if is_stale(project):
            return [f"{path}: it is not what the specs say. Run `prefect-mlops sync`."]
    except MlopsError as error:
        return [str(error)]
    return []
