"""A first policy of gates: bounds and margins lie above the noise of the rows that they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from prefect_mlops.core.evidence import Evidence
from prefect_mlops.core.gates import decide
from prefect_mlops.core.gates.slices import HoldsOnSlices
from prefect_mlops.core.gates.suggesting import _plain, suggest_gates
from prefect_mlops.core.specfile import parse_spec
from prefect_mlops.core.specwriting import write_gates, write_spec
from prefect_mlops.core.splits import ByTime
from prefect_mlops.core.survey.gating import choose_gates
from tests.core.decision_cases import bare, measured, spec_with, whole_evidence
from tests.core.experiment_cases import CASES

FIRST = whole_evidence(champion_version=None, anchor_version=None, wagers=(), holdout_use=None)


def gates_of(evidence: Evidence, **parts: Any) -> dict[str, Any]:
    return {one.gate.kind: one.gate for one in suggest_gates(spec_with(**parts), evidence)}


@pytest.mark.parametrize("problem", CASES)
def test_the_gates_suggested_from_a_candidate_accept_it_and_come_back_from_their_yaml(problem: str) -> None:
    case = CASES[problem]()
    found = suggest_gates(case.spec, case.evidence(), case.judging)
    spec = case.spec.model_copy(update={"gates": tuple(one.gate for one in found)})
    proofs = [gate for gate in spec.resolved_gates() if getattr(gate, "family", "proof") == "proof"]

    text = write_spec(spec, gate_reasons=[one.reason for one in found])

    assert parse_spec(text).gates == spec.gates
    assert text.count("\n  # ") >= len(found)
    assert decide(proofs, case.evidence()).outcome == "accepted"
    assert {"better-than-baseline", "better-than-champion"} <= {one.gate.kind for one in found}


def test_a_floor_is_passed_by_nine_in_ten_candidates_that_are_as_good() -> None:
    # Both the first measurement and the later one vary by chance.
    random, error, truth = np.random.default_rng(1), 0.008, 0.76
    first, later = random.normal(truth, error, (2, 2_000))
    one = FIRST.measured("roc_auc")
    bounds = np.array(
        [
            gates_of(Evidence.model_validate({**FIRST.model_dump(), "measurements": [one.model_copy(update={
                "value": value})]}))["at-least"].bound
            for value in first[:200]
        ]
    )  # fmt: skip
    passed = int((later[:200] - 1.645 * error >= bounds).sum())

    low, high = stats.binomtest(passed, 200).proportion_ci(0.999, "exact")

    print(f"{passed} of 200 pass, 99.9% interval {low:.3f} to {high:.3f}")
    assert high >= 0.90


def test_an_effect_is_never_below_what_the_rows_can_show() -> None:
    few = Evidence.model_validate(
        {**FIRST.model_dump(), "measurements": [measured("roc_auc", "candidate", 0.76, 5_000)], "comparisons": []}
    )

    by_key = gates_of(few, data={"key": ["id"]}, split={"kind": "by-key"})["better-than-champion"].effect

    # One in 400 on one side and 80% power are 2.807 and 0.842 errors of 0.008.
    assert by_key == pytest.approx(3.649 * 0.008, abs=0.001)
    assert by_key >= 3.648 * 0.008


def test_rows_that_show_little_get_no_margin_that_gives_half_the_model_away() -> None:
    wide = [one.model_copy(update={"standard_error": 0.1}) for one in FIRST.comparisons]

    assert "not-worse-than-champion" in gates_of(FIRST)
    assert "not-worse-than-champion" not in gates_of(FIRST.model_copy(update={"comparisons": tuple(wide)}))


def test_a_floor_that_a_model_without_features_reaches_is_not_suggested() -> None:
    values = (measured("roc_auc", "candidate", 0.51), measured("roc_auc", "baseline", 0.5))

    assert "at-least" not in gates_of(FIRST.model_copy(update={"measurements": values}))


def test_rows_that_give_no_number_still_get_the_gates_that_need_none() -> None:
    assert {"better-than-baseline", "better-than-champion"} <= set(gates_of(bare()[0]))


def test_an_adopted_model_is_a_champion_with_whose_difference_margins_are_measured() -> None:
    reasons = {one.gate.kind: one.reason for one in suggest_gates(spec_with(), whole_evidence())}

    assert "the difference from the champion has an error of 0.004" in reasons["better-than-champion"]


def test_slices_are_cut_by_categories_that_are_large_enough_and_not_personal() -> None:
    rows = pd.DataFrame({"carrier": ["AA", "UA"] * 600, "plane": [f"N{number}" for number in range(1_200)]})
    parts = {"features": {"numeric": ["distance"], "category": ["carrier", "plane"]}}

    told = [plain for plain, _ in _plain(spec_with(**parts), FIRST, rows) if plain["kind"] == "holds-on-slices"]

    (slices,) = told
    assert HoldsOnSlices.model_validate(slices) == HoldsOnSlices(metrics=("log_loss",), columns=("carrier",))
    assert not [plain for plain, _ in _plain(spec_with(**parts), FIRST, rows.head(150)) if plain == slices]


def test_gates_are_written_with_the_reason_beside_each_line() -> None:
    found = suggest_gates(spec_with(), FIRST)

    text = write_gates([one.gate for one in found], [one.reason for one in found], ["Review."])

    assert text.startswith("# Review.\ngates:\n  # The least that a model must do; this one is 0.26")
    assert "- {kind: at-least, metric: roc_auc, bound: 0.732}" in text


def test_rows_that_cannot_be_split_leave_the_drafted_gates() -> None:
    spec = CASES["regression"]().spec

    assert choose_gates(spec, CASES["regression"]().judging.head(0)) == ((), ())


def test_the_newest_days_judge_the_first_candidate_where_rows_have_a_time() -> None:
    case = CASES["regression"]()
    rows = pd.concat([case.training, case.judging], ignore_index=True)

    by_time = ByTime(judge_days=14)
    found, told = choose_gates(case.spec.model_copy(update={"split": by_time}), rows)

    floor = next(one for one in found if one.gate.kind == "at-most")
    last = rows["time"].max().floor("D")
    assert f"days from {(last - pd.Timedelta(days=13)).date()}" in floor.reason
    assert told == ()
