"""Decisions as people see them: in the Prefect UI, as a page, as tags."""

from __future__ import annotations

import re
from typing import Any

import pytest

from prefect_mlops.core.decisions.history import wagers_of
from prefect_mlops.core.decisions.pictures import decision_pictures
from prefect_mlops.core.decisions.rates import error_rate
from prefect_mlops.core.decisions.report import decision_page, decision_report
from prefect_mlops.core.decisions.tags import decision_tags
from prefect_mlops.core.evidence import Check, Decision, Evidence, Verdict
from prefect_mlops.core.ledger import GENESIS, Record, seal
from tests.core.decision_cases import (
    HOSTILE,
    bare,
    compared,
    slices,
    spec_with,
    wager,
    whole_decision,
    whole_evidence,
)

PNG = b"\x89PNG\r\n\x1a\n"
LINKS = {"MLflow": "http://mlflow.invalid/run"}


def shown(evidence: Evidence, decision: Decision, **pictures: bytes) -> str:
    return decision_report(spec_with(), evidence, decision, LINKS, pictures)


def test_a_decision_says_its_outcome_first_and_every_verdict_with_its_numbers() -> None:
    text = shown(whole_evidence(), whole_decision())

    assert text.startswith("# flights-late: rejected\n\nRejected: carrier C000 is worse.")
    assert "against version 3, champion for 12.5 days. Version 2 is the anchor" in text
    assert "| better-than-champion | roc_auc | 0.012 | 0 | 0.0054 to 0.0186 | 2,000 | 0.01 | 4,100 | 11.3 |" in text
    assert "| ❌ | holds-on-slices | accuracy | 0.0001 | 0.0002 | -0.08 | 0 | 500 |" in text
    assert "| ✅ | small-enough | 12 | 50 |" in text
    assert "**better-than-champion roc_auc, undecided:** E is 11.3 of the 20 needed." in text


def test_the_bets_the_worn_rows_and_the_champions_own_score_are_shown() -> None:
    text = shown(whole_evidence(), whole_decision())

    assert "| roc_auc | 11.3 | 20 | 4 | 2,000 | 160 | 126 | 2013-05-04 |" in text
    assert "have served 7 comparisons" in text
    assert "| roc_auc | 0.741 ± 0.008 | 2,000 | 0.748 ± 0.008 |" in text


def test_of_two_hundred_checks_the_twenty_with_the_most_evidence_are_shown_and_the_rest_is_counted() -> None:
    decision = whole_decision(tuple(reversed(slices(200))))

    text = shown(whole_evidence(), decision, **decision_pictures(spec_with(), whole_evidence(), decision))

    assert re.findall(r"\| (carrier = C\d+) \|", text) == [f"carrier = C{number:03}" for number in range(20)]
    assert "180 more with less evidence are not shown." in text
    assert len(text) < 1_000_000


def test_checks_that_could_not_be_asked_are_counted() -> None:
    silent = tuple(Check(name=f"tiny {number}", reason="Only 7 rows.") for number in range(30))

    text = shown(whole_evidence(), whole_decision(slices(10) + silent))

    assert "more with less evidence" not in text
    assert "<summary>30 could not be asked, 20 of them here</summary>" in text
    assert "| holds-on-slices | tiny 0 | Only 7 rows. |" in text


def test_a_candidate_of_which_nothing_is_known_still_has_a_report_and_a_page() -> None:
    evidence, decision = bare()

    assert decision_pictures(spec_with(), evidence, decision) == {}
    for text in (shown(evidence, decision), decision_page(spec_with(), evidence, decision, {})):
        assert "There is no champion yet." in text
        assert "not applicable" in text
        assert "nan" not in re.sub(r"base64\S+", "", text)


def test_pictures_are_drawn_where_there_is_something_to_draw() -> None:
    evidence, decision = whole_evidence(), whole_decision()

    found = decision_pictures(spec_with(), evidence, decision, [wager(1, 0.8), wager(2, 4.0)])

    assert sorted(found) == ["checks", "differences", "wager"]
    assert all(content.startswith(PNG) for content in found.values())
    assert found == decision_pictures(spec_with(), evidence, decision, [wager(1, 0.8), wager(2, 4.0)])
    assert found["wager"] != decision_pictures(spec_with(), evidence, decision)["wager"]


def test_a_difference_that_a_gate_judged_is_drawn_with_the_gates_own_bounds() -> None:
    from prefect_mlops.core.decisions.pictures import _differences

    panels = _differences(whole_evidence(), whole_decision())
    rows = {row.label: row for panel in panels if panel.title == "roc_auc, against the champion" for row in panel.rows}

    judged = rows["champion (version 3): better-than-champion"]
    assert (judged.low, judged.high, judged.bound, judged.outcome) == (0.0054, 0.0186, 0.0, "undecided")
    assert rows["anchor (version 2)"].outcome == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_difference_that_is_no_number_is_not_drawn(value: float) -> None:
    evidence = whole_evidence(comparisons=(compared("roc_auc", "champion", value),), wagers=())

    assert "differences" not in decision_pictures(spec_with(), evidence, whole_decision())


def test_no_name_from_the_data_breaks_the_report_the_page_or_a_picture() -> None:
    hostile = Check(name=HOSTILE, metric="$x$", value=-0.1, bound=0.0, low=-0.2, high=-0.01, rows=9, p_value=0.01)
    decision = whole_decision((hostile,))
    evidence = whole_evidence(candidate=HOSTILE, judged_on=HOSTILE)
    pictures = decision_pictures(spec_with(), evidence, decision)

    text = shown(evidence, decision, **pictures)
    page = decision_page(spec_with(), evidence, decision, LINKS, pictures)

    assert not re.search(r"(?<!\\)<(?!details|/details|summary|/summary|http://mlflow)", text)
    assert "](http://a.invalid" not in text.replace(r"\](http", "")
    assert "<script" not in page
    assert page.count("<img") == len(pictures)


def test_pictures_that_are_too_large_are_named_instead() -> None:
    text = shown(whole_evidence(), whole_decision(), differences=PNG + b"0" * 700_000, calibration=PNG)

    assert "The picture of differences is too large to be shown here." in text
    assert "What came of the chances given." in text
    assert len(text) < 1_000_000


def test_the_page_fetches_nothing_and_says_what_the_report_says() -> None:
    page = decision_page(spec_with(), whole_evidence(), whole_decision(), LINKS, {"calibration": PNG})

    assert "default-src 'none'" in page
    assert "<h1>flights-late: rejected</h1>" in page
    assert "E is 11.3 of the 20 needed." in page
    assert re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page) == ["http://mlflow.invalid/run"]


def test_tags_name_the_worst_outcome_of_each_kind_of_gate() -> None:
    decision = whole_decision()
    twice = Verdict(gate="at-least", metric="accuracy", outcome="undecided", reason="Too few rows.")

    tags = decision_tags(whole_evidence(), decision.model_copy(update={"verdicts": (*decision.verdicts, twice)}))

    assert tags == {
        "mlops.decision": "rejected",
        "mlops.gates.holds-on-slices": "fail",
        "mlops.gates.at-least": "undecided",
        "mlops.gates.better-than-champion": "undecided",
        "mlops.gates.small-enough": "pass",
        "mlops.champion": "3",
        "mlops.anchor": "2",
        "mlops.holdout_uses": "7",
        "mlops.e_value": "11.3",
    }


@pytest.mark.parametrize(
    ("gate", "time", "said"),
    [
        ({"kind": "at-least", "metric": "roc_auc", "bound": 0.7, "confidence": 0.99}, "at", "in at most 1% of cases"),
        ({"kind": "at-least", "metric": "roc_auc", "bound": 0.7, "on": "point"}, "at", "every second time"),
        ({"kind": "better-than-baseline", "metric": "log_loss"}, "at", "not better by more than the margin"),
        ({"kind": "better-than-champion", "metric": "roc_auc"}, "at", "in at most 5% of reigns"),
        ({"kind": "better-than-champion", "metric": "roc_auc"}, None, "replaces the champion in at most 5% of cases"),
        ({"kind": "not-worse-than-champion", "metric": "roc_auc", "margin": 0.01}, "at", "worse by the margin"),
    ],
)
def test_each_gate_says_how_often_it_is_wrong(gate: dict[str, Any], time: str | None, said: str) -> None:
    split = {"kind": "by-time", "judge_days": 9} if time else {"kind": "by-key"}
    spec = spec_with(gate, data={"key": ["id"], "time": time}, split=split)

    assert said in error_rate(spec, spec.resolved_gates()[0])


def test_the_account_of_a_champion_is_read_from_the_ledger_and_an_old_record_is_no_fault() -> None:
    def record(number: int, body: dict[str, Any], stage: str = "candidate.undecided") -> Record:
        fields = {"at": "2026-01-01", "model": "m", "stage": stage, "subject": "s", "as_of": "2026-01-01", "actor": "a"}
        return seal({**fields, "key": str(number), "body": body}, sequence=number, previous=GENESIS)

    held = whole_evidence().model_dump(mode="json")
    other = whole_evidence(wagers=(wager(1, 2.0).model_copy(update={"champion_version": 2}),)).model_dump(mode="json")
    records = [record(1, {"evidence": held}), record(2, {"evidence": other}), record(3, {"evidence": {"old": 1}}),
               record(4, {}), record(5, {"evidence": held}, "data.accepted")]  # fmt: skip

    assert [one.e_value for one in wagers_of(records, 3)] == [11.3]
    assert wagers_of(records, None) == ()
