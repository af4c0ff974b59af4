"""Rows wear out, an anchor stands still, and a reign is read from the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from prefect_mlops.core.evidence import Comparison, Decision, Evidence, Measurement, Verdict, Wager
from prefect_mlops.core.gates.anchor import moves_anchor
from prefect_mlops.core.gates.decision import decide, holm
from prefect_mlops.core.gates.worn import COMPARED, count_uses, sketch_of
from prefect_mlops.core.ledger import GENESIS, Record, seal
from prefect_mlops.core.reign import reign_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def chain(*happened: tuple[str, str, datetime, dict[str, Any]]) -> tuple[Record, ...]:
    records: list[Record] = []
    for number, (stage, subject, as_of, body) in enumerate(happened, 1):
        fields = {
            "at": as_of.isoformat(),
            "model": "toy",
            "stage": stage,
            "subject": subject,
            "as_of": as_of.isoformat(),
            "actor": "tests",
            "key": f"{number}",
            "body": body,
        }
        records.append(seal(fields, sequence=number, previous=records[-1].digest if records else GENESIS))
    return tuple(records)


def bet_until(day: int, champion: int, capital: float) -> dict[str, Any]:
    wager = Wager(
        metric="accuracy",
        champion_version=champion,
        e_value=capital,
        looks=1,
        rows=10,
        until=datetime(2026, 2, day, tzinfo=UTC).isoformat(),
        capital=(float(np.log(capital)),),
    )
    return {"evidence": {"wagers": [wager.model_dump(mode="json")]}}


def test_a_reign_goes_on_from_the_last_wager_against_this_champion() -> None:
    records = chain(
        ("champion.promoted", "1", NOW - timedelta(days=20), {}),
        ("candidate.undecided", "run-a", NOW - timedelta(days=12), bet_until(10, 1, 1.5)),
        ("candidate.undecided", "run-b", NOW - timedelta(days=9), bet_until(13, 1, 4.0)),
    )

    reign = reign_of(records, 1, NOW, chosen_until=datetime(2026, 2, 1, tzinfo=UTC).isoformat())

    assert (reign.days, reign.wagers[0].e_value) == (20.0, 4.0)
    assert reign.unseen_after("accuracy") == datetime(2026, 2, 13, tzinfo=UTC).isoformat()
    assert reign.unseen_after("brier") == datetime(2026, 2, 1, tzinfo=UTC).isoformat()


def test_a_new_champion_begins_anew_but_no_row_counts_twice() -> None:
    records = chain(
        ("champion.promoted", "1", NOW - timedelta(days=20), {}),
        ("candidate.accepted", "2", NOW - timedelta(days=9), bet_until(13, 1, 40.0)),
        ("champion.promoted", "2", NOW - timedelta(days=8), {}),
    )

    reign = reign_of(records, 2, NOW)

    assert (reign.days, reign.wagers) == (8.0, ())
    assert reign.unseen_after("accuracy") == datetime(2026, 2, 13, tzinfo=UTC).isoformat()


def test_a_champion_that_comes_back_by_a_rollback_begins_anew() -> None:
    records = chain(
        ("champion.promoted", "1", NOW - timedelta(days=20), {}),
        ("candidate.undecided", "run", NOW - timedelta(days=15), bet_until(10, 1, 12.0)),
        ("champion.promoted", "2", NOW - timedelta(days=8), {}),
        ("champion.rolled-back", "1", NOW - timedelta(days=3), {}),
    )

    reign = reign_of(records, 1, NOW)

    assert (reign.days, reign.wagers) == (3.0, ())
    assert reign.unseen_after("accuracy")


def rows_from(first: int, count: int) -> pd.DataFrame:
    return pd.DataFrame({"id": np.arange(first, first + count), "y": 0})


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 10**6), count=st.integers(1, 3_000), share=st.floats(0.2, 1.0))
def test_hold_outs_that_share_a_fifth_of_their_rows_share_one_account(first: int, count: int, share: float) -> None:
    rows = rows_from(first, count)
    moved = rows_from(first + count - max(1, int(count * share)), count).sample(frac=1, random_state=1)
    records = chain((COMPARED, "a", NOW, {"digest": "a", "sketch": list(sketch_of(rows, ["id"]))}))

    assert count_uses(records, "b", sketch_of(moved, ["id"])).comparisons == 2
    assert count_uses(records, "b", sketch_of(rows_from(first + count, count), ["id"])).comparisons == 1
    assert count_uses(records, "a", ()).comparisons == 2


def judged(
    *, champion: int | None = 3, anchor: int | None = 2, against: float = 0.0, better: str = "pass"
) -> tuple[Evidence, Decision]:
    measured = Measurement(
        metric="accuracy", subject="candidate", value=0.8, standard_error=0.01, degrees_of_freedom=99,
        higher_is_better=True, rows=100,
    )  # fmt: skip
    compared = Comparison(
        metric="accuracy", against="anchor", advantage=against, standard_error=0.01, degrees_of_freedom=99, rows=100
    )
    evidence = Evidence(
        model="toy", candidate="run", champion_version=champion, anchor_version=anchor, judged_on="rows",
        holdout_digest="d", measurements=(measured,), comparisons=(compared,),
    )  # fmt: skip
    verdict = Verdict(gate="better-than-champion", metric="accuracy", outcome=better, reason="It is.")  # type: ignore[arg-type]  # a text
    return evidence, Decision(outcome="accepted", verdicts=(verdict,), summary="Accepted.")


@pytest.mark.parametrize(
    ("case", "anchored_days", "moves"),
    [
        ({"against": 0.005}, 10, False),
        ({"against": 0.05}, 10, True),
        ({"against": 0.05, "better": "undecided"}, 10, False),
        ({"champion": 2}, 10, True),
        ({"champion": 2, "better": "undecided"}, 10, False),
        ({"against": -0.05}, 400, True),
        ({"anchor": 1, "against": 0.05}, 10, False),
    ],
)
def test_the_anchor_moves_only_for_what_is_proved_better_or_after_a_year(
    case: dict[str, Any], anchored_days: int, moves: bool
) -> None:
    evidence, decision = judged(**case)
    since = NOW - timedelta(days=anchored_days)

    assert moves_anchor(evidence, decision, anchor=2, anchored_at=since, as_of=NOW) is moves
    assert moves_anchor(evidence, decision, anchor=None, anchored_at=None, as_of=NOW)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_statsmodels_holm(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1] if p_values else []

    assert holm(p_values) == pytest.approx(tuple(expected), abs=1e-12)


class Says:
    """A gate with a verdict made beforehand."""

    kind, metrics = "says", ()

    def __init__(self, **parts: Any) -> None:
        self.verdict = Verdict(**{"gate": "says", "metric": "any", "outcome": "pass", "reason": "So it is.", **parts})

    def judge(self, _: Evidence) -> Verdict:
        return self.verdict


@pytest.mark.parametrize(
    ("alarms", "decided"),
    [
        ([0.04], "rejected"),
        ([0.04, 0.04], "accepted"),
        ([0.02, 0.9], "rejected"),
        ([0.03, 0.9], "accepted"),
        ([None], "accepted"),
    ],
)
def test_alarms_are_corrected_over_their_family(alarms: list[float | None], decided: str) -> None:
    evidence, _ = judged()
    gates = [Says(), *(Says(family="alarm", p_value=p, outcome="fail" if p else "not applicable") for p in alarms)]

    decision = decide(gates, evidence)

    assert decision.outcome == decided
    shown = [verdict.adjusted_p for verdict in decision.verdicts[1:]]
    assert shown == ([None] if alarms == [None] else list(holm([p for p in alarms if p is not None])))


@pytest.mark.parametrize(
    ("outcome", "decided"), [("fail", "rejected"), ("pass", "accepted"), ("not applicable", "accepted")]
)
def test_a_limit_fails_as_it_is_and_does_not_block_where_it_does_not_apply(outcome: str, decided: str) -> None:
    evidence, _ = judged()

    assert decide([Says(), Says(family="limit", outcome=outcome)], evidence).outcome == decided


def test_alarms_alone_prove_nothing() -> None:
    evidence, _ = judged()

    decision = decide([Says(family="alarm", p_value=0.5)], evidence)

    assert (decision.outcome, "prove" in decision.summary) == ("undecided", True)


def test_an_undecided_decision_says_how_many_rows_would_decide_it() -> None:
    evidence, _ = judged()

    decision = decide([Says(outcome="undecided", rows_needed=5_139), Says(outcome="undecided")], evidence)

    assert "5,139 rows" in decision.summary
