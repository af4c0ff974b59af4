"""Makes champion of a model that somebody else registered in MLflow."""

from datetime import datetime
from pathlib import Path

from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.events import Event
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.specfile import load_spec
from prefect_mlops.deployments.sync import read_specs
from prefect_mlops.tasks import (
    adopt_version,
    announce,
    fetch_source,
    load_places,
    publish_card,
    render_model_card,
)

__all__ = ["adopt_model"]


def adopt_model(
    uri: str,
    data: Path,
    as_of: datetime,
    environment: str = "default",
    *,
    spec: Path | None = None,
    project: Path = Path(),
    trust_pickle: bool = False,
    replace: bool = False,
) -> str:
    """Register somebody else's model under a spec's name, as champion with lineage `unknown`.

    Args:
        uri: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        data: Labelled rows with all features, the target and the time, in the types that it was trained on; its
            training rows at best. The next candidate is judged on rows newer than the newest of them.
        as_of: When it is adopted, with a time zone.
        environment: Name of the block documents to use.
        spec: The spec's file; the project's spec of the model's own name by default.
        project: The folder that holds the specs.
        trust_pickle: Load it although it is stored as a pickle.
        replace: Take the place of a champion that is there.

    Returns:
        One sentence: what became of it.

    Raises:
        NotFound: There is no such version, file, spec or environment.
        DataError: The model cannot be used as it is, does not fit the spec or the rows, or there is a champion.
        TrainingError: The model holds a type that cannot be stored safely.
        TrackingUnavailable: MLflow does not answer.
    """
    from prefect_mlops.core.rowfiles import read_rows
    from prefect_mlops.core.zones import in_zone

    if not data.is_file():
        raise NotFound("file", str(data), "Give the path of a Parquet, CSV or JSON-lines file")
    if as_of.tzinfo is None:
        cure = "Write it with one, such as 2013-05-01T00:00:00Z"
        raise DataError(f"as_of {as_of.isoformat()} has no time zone", cure)
    wanted = load_spec(spec) if spec else _spec_of(project, uri)
    rows = in_zone(read_rows(data.read_bytes(), data.name), wanted.data.time, wanted.data.timezone, data.name)
    places = load_places(environment)
    source = fetch_source.fn(places.tracking, wanted, uri, trust_pickle)
    adopted = adopt_version.fn(places.tracking, places.ledger, wanted, source, rows, as_of, replace)
    publish_card.fn(wanted, render_model_card.fn(places.ledger, wanted))
    version = adopted.version
    announce.fn(Event.CHAMPION_PROMOTED, wanted, str(version), as_of, version=version, reason=adopted.reason)
    return adopted.reason


def _spec_of(project: Path, uri: str) -> ModelSpec:
    """The project's spec that is called as the model is."""
    name = uri.removeprefix("models:/").partition("/")[0].partition("@")[0]
    specs = {spec.name: spec for spec in read_specs(project)}
    if name not in specs:
        raise NotFound("spec", name, f"Name one of another name with --spec; the project has {', '.join(specs)}")
    return specs[name]
