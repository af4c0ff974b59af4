"""The model card says what the ledger holds, and what it does not hold."""

from __future__ import annotations

from typing import Any

from prefect_mlops.core.cards import render_card
from prefect_mlops.core.evidence import Decision, Evidence, Measurement, Verdict
from prefect_mlops.core.ledger import GENESIS, Record, seal
from prefect_mlops.core.lineage import DataVersion, Lineage
from prefect_mlops.core.spec import ModelSpec
from tests.core.decision_cases import whole_decision, whole_evidence

SPEC = ModelSpec.model_validate(
    {
        "spec_version": 1,
        "name": "flights-late",
        "purpose": {"decision": "Warn a passenger", "business_metric": "missed connections", "owner": "operations"},
        "data": {"key": ["id"]},
        "target": {"column": "late", "problem": "binary", "positive": True},
        "features": {"numeric": ["distance"]},
        "split": {"kind": "by-key"},
        "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
        "gates": [{"kind": "at-least", "metric": "roc_auc", "bound": 0.6}],
    }
)


def measured(value: float) -> Evidence:
    return Evidence(
        model="flights-late",
        candidate="run-1",
        judged_on="10 days from 2013-03-21",
        holdout_digest="e" * 64,
        measurements=(
            Measurement(
                metric="roc_auc",
                subject="candidate",
                value=value,
                standard_error=0.01,
                degrees_of_freedom=9,
                higher_is_better=True,
                rows=12345,
            ),
        ),
    )


LINEAGE = Lineage(
    model="flights-late",
    data=DataVersion(table="flights-late-accepted", version=4, rows=1000, digest="d" * 64, first="2013-01-01T00"),
    labels_version=2,
    commit="",
    spec_digest="5" * 64,
    lock_digest="6" * 64,
    seed=7,
    parameters={"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
    holdout_digest="e" * 64,
    cutoff="2013-03-20",
    as_of="2013-04-01",
)


def decided(outcome: str) -> Decision:
    verdict = Verdict(gate="at-least", metric="roc_auc", outcome="pass", reason="roc_auc is 0.75, above 0.6.")
    return Decision.model_validate({"outcome": outcome, "verdicts": (verdict,), "summary": f"It is {outcome}."})


def story(*stages: tuple[str, str, dict[str, Any]]) -> list[Record]:
    records: list[Record] = []
    for number, (stage, subject, body) in enumerate(stages, start=1):
        fields = {
            "at": "2026-01-01",
            "model": "flights-late",
            "stage": stage,
            "subject": subject,
            "as_of": f"2013-04-{number:02}T00:00:00+00:00",
            "actor": "tests",
            "key": str(number),
            "body": body,
        }
        records.append(seal(fields, sequence=number, previous=records[-1].digest if records else GENESIS))
    return records


def judged(outcome: str, value: float = 0.75) -> dict[str, Any]:
    parts = {"evidence": measured(value), "decision": decided(outcome), "lineage": LINEAGE}
    return {name: part.model_dump(mode="json") for name, part in parts.items()}


def test_an_empty_ledger_gives_a_card_without_a_champion() -> None:
    card = render_card([], SPEC)

    assert "Warn a passenger" in card
    assert "No version is trusted yet." in card


def test_the_card_tells_the_champions_data_metrics_and_reasons() -> None:
    card = render_card(
        story(
            ("data.accepted", "rows-2013-03", {}),
            ("candidate.accepted", "3", judged("accepted")),
            ("champion.promoted", "3", {"version": 3, "slot": "a", "previous": 2}),
        ),
        SPEC,
    )

    for told in (
        "version 3, slot a",
        "Since 2013-04-03",
        "1,000 of `flights-late-accepted` version 4",
        f"`{'d' * 16}`",
        "| roc_auc | candidate | 0.75 | 0.01 | 12,345 |",
        "**at-least** (pass): roc_auc is 0.75, above 0.6.",
        "| 2013-04-03 | 3 | promoted | 2 | tests |",
        "| commit | not on record |",
    ):
        assert told in card


def test_a_rolled_back_model_names_the_version_that_serves_now() -> None:
    card = render_card(
        story(
            ("candidate.accepted", "3", judged("accepted")),
            ("champion.promoted", "3", {"version": 3, "slot": "a", "previous": None}),
            ("candidate.accepted", "4", judged("accepted")),
            ("champion.promoted", "4", {"version": 4, "slot": "b", "previous": 3}),
            ("champion.rolled-back", "3", {"version": 3, "slot": "a", "previous": 4}),
        ),
        SPEC,
    )

    assert "## Champion: version 3" in card
    assert "rolled-back | 4" in card


def test_a_newer_candidate_that_did_not_make_it_is_told() -> None:
    card = render_card(story(("candidate.rejected", "run-9", judged("rejected"))), SPEC)

    assert "## Newest candidate: rejected on 2013-04-01" in card


def test_a_metric_that_is_no_number_stays_readable() -> None:
    card = render_card(
        story(("candidate.accepted", "3", judged("accepted", float("nan"))), ("champion.promoted", "3", {})), SPEC
    )

    assert "| roc_auc | candidate | NaN |" in card


def test_records_without_their_parts_still_make_a_card() -> None:
    card = render_card(story(("candidate.accepted", "3", {}), ("champion.promoted", "3", {})), SPEC)

    assert "Its decision is not on record." in card


def test_a_card_shows_slices_error_rates_and_the_champions_score_on_rows_that_did_not_choose_it() -> None:
    accepted = judged("accepted") | {"decision": whole_decision().model_dump(mode="json")}
    later = judged("undecided") | {"evidence": whole_evidence(model="flights-late").model_dump(mode="json")}
    records = story(
        ("candidate.accepted", "3", accepted),
        ("champion.promoted", "3", {"previous": None}),
        ("candidate.undecided", "run-2", later),
    )

    card = render_card(records, SPEC)

    assert card.index("carrier = C000") < card.index("carrier = C001")
    assert "20 more with less evidence are not shown." in card
    assert "| roc_auc | 0.741 ± 0.008 | 2,000 | 0.748 ± 0.008 |" in card
    assert "As of 2013-04-03" in card
    assert "**at-least roc_auc** Passes a candidate that does not reach the bound in at most 5% of cases." in card


def test_a_score_against_another_champion_is_not_this_ones() -> None:
    later = judged("undecided") | {"evidence": whole_evidence(champion_version=2).model_dump(mode="json")}
    records = story(
        ("candidate.accepted", "3", judged("accepted")),
        ("champion.promoted", "3", {"previous": "2"}),
        ("candidate.undecided", "run-2", later),
    )

    assert "did not choose it" not in render_card(records, SPEC)


def test_a_record_of_an_older_form_gives_a_card_all_the_same() -> None:
    old = {"decision": {"summary": "It was.", "outcome": "fine", "verdicts": []}, "evidence": {"judged_on": "rows"}}
    records = story(("candidate.accepted", "3", old), ("champion.promoted", "3", {}))

    card = render_card(records, SPEC)

    assert "Judged on rows" in card
    assert "It was." in card
