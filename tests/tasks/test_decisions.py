"""A decision on record: an artifact in the Prefect UI, a page and tags in MLflow, and gates suggested from it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pytest
from prefect import flow
from prefect.artifacts import Artifact

from prefect_mlops.blocks import Places
from prefect_mlops.core.errors import DataError, NotFound
from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.core.specwriting import write_spec
from prefect_mlops.core.splits import RowSets
from prefect_mlops.deployments.gates import suggest_from_newest
from prefect_mlops.deployments.trying import home_of
from prefect_mlops.tasks import draw_decision, log_candidate, profile_candidate, publish_decision, record_stage
from prefect_mlops.tasks.data import Versions
from prefect_mlops.tasks.governance import trace_lineage
from tests.core.decision_cases import spec_with, wager, whole_decision, whole_evidence
from tests.core.experiment_cases import tumours

NOON = datetime(2026, 3, 1, tzinfo=UTC)


def logged(places: Places) -> str:
    """The run of a real model, on record as mlops-train would leave it."""
    case = tumours()
    sets = RowSets(case.training, case.judging, case.judging, "285 rows", "")
    evidence, decision = case.evidence(), case.decision()
    lineage = trace_lineage.fn(case.spec, sets, NOON, Versions(1, 1))
    profile = profile_candidate.fn(case.spec, case.model, case.judging)
    pictures = draw_decision.fn(case.spec, evidence, decision)
    told = log_candidate.fn(places.tracking, case.spec, case.model, evidence, decision, lineage, profile, case.judging,
                            pictures=pictures)  # fmt: skip
    assert told.version == 1
    return told.run


def test_a_run_and_its_version_carry_the_decision_as_a_page_and_as_tags(tmp_path: Path) -> None:
    places = Places.local(tmp_path)

    run = logged(places)

    client = places.tracking.client()
    said = {"mlops.decision": "accepted", "mlops.gates.better-than-baseline": "pass"}
    assert said.items() <= client.get_run(run).data.tags.items()
    assert said.items() <= client.get_model_version("tumours", "1").tags.items()
    page = Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path="mlops/decision.html")).read_text()
    assert "<h1>tumours: accepted</h1>" in page
    assert page.count("<img") == 1
    assert "patient-" not in page


def test_gates_are_suggested_from_the_newest_try_and_the_spec_takes_them(tmp_path: Path) -> None:
    case = tumours()
    (tmp_path / "specs").mkdir()
    path = tmp_path / "specs" / "tumours.yaml"
    path.write_text(write_spec(case.spec))
    home = home_of("tumours", tmp_path)
    home.mkdir(parents=True)
    logged(Places.local(home))

    found = suggest_from_newest("tumours", tmp_path, tmp_path / "gates.yaml")

    text = (tmp_path / "gates.yaml").read_text()
    assert text.startswith("# Gates suggested for tumours from the newest run in")
    assert "- {kind: better-than-baseline, metric: log_loss}" in text
    spec = write_spec(case.spec).split("gates:")[0] + text
    assert len(parse_spec(spec).gates) == found.gates
    with pytest.raises(DataError, match="is there already"):
        suggest_from_newest("tumours", tmp_path, tmp_path / "gates.yaml")


def test_gates_are_suggested_from_a_file_and_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "flights-late.yaml").write_text(write_spec(spec_with()))
    good, bad = tmp_path / "evidence.json", tmp_path / "bad.json"
    good.write_text(whole_evidence().model_dump_json())
    bad.write_text("{}")

    assert "beside champion version 3" in suggest_from_newest("flights-late", tmp_path, evidence=good).yaml
    with pytest.raises(DataError, match="holds no evidence"):
        suggest_from_newest("flights-late", tmp_path, evidence=bad)
    with pytest.raises(NotFound, match="Correct the path"):
        suggest_from_newest("flights-late", tmp_path, evidence=tmp_path / "nothing.json")
    with pytest.raises(NotFound, match="prefect-mlops new other"):
        suggest_from_newest("other", tmp_path)


def test_earlier_bets_of_the_reign_are_drawn_and_a_spec_without_reports_draws_nothing(tmp_path: Path) -> None:
    places, spec = Places.local(tmp_path), spec_with()
    evidence, decision = whole_evidence(), whole_decision()
    alone = draw_decision.fn(spec, evidence, decision, None, places.ledger)
    before = whole_evidence(wagers=(wager(1, 3.0),))
    record_stage.fn(places.ledger, spec, "candidate.undecided", "run-1", NOON, {"evidence": before}, key="1")

    together = draw_decision.fn(spec, evidence, decision, None, places.ledger)

    assert sorted(alone) == sorted(together) == ["checks", "differences", "wager"]
    assert alone["wager"] != together["wager"]
    assert draw_decision.fn(spec.model_copy(update={"report": False}), evidence, decision) == {}


@pytest.mark.process
@pytest.mark.usefixtures("prefect_api")
def test_the_decision_is_an_artifact_with_its_pictures() -> None:
    spec, evidence, decision = spec_with(), whole_evidence(), whole_decision()

    @flow
    def publish() -> None:
        publish_decision(spec, evidence, decision, {"MLflow": "http://mlflow.invalid/run"},
                         draw_decision(spec, evidence, decision))  # fmt: skip

    publish()

    shown = Artifact.get("flights-late-decision")
    text = str(getattr(shown, "data", ""))
    assert text.startswith("# flights-late: rejected")
    assert text.count("](data:image/png;base64,iVBOR") == 3
    assert getattr(shown, "description", "") == "Rejected: carrier C000 is worse."
