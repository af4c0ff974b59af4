"""Gates before anything was measured: what cannot work is told, and what is seldom meant is noted."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_mlops.core.gates.reviewing import _columns, _looked_at, gate_notes, gate_problems
from prefect_mlops.core.gates.slices import HoldsOnSlices
from prefect_mlops.core.parts import Frozen
from tests.core.decision_cases import spec_with

PROOF = {"kind": "better-than-champion", "metric": "roc_auc"}


class Cheap(Frozen):
    """A gate of somebody else's."""

    kind: str = "tests.core.test_gates_reviewed:Cheap"
    metrics: tuple[str, ...] = ()
    margin: float = 0.0

    def judge(self, _: Any) -> Any:
        raise AssertionError("a review asks no gate to judge")


class NoGate(Frozen):
    """Something else."""


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"kind": "at-least", "metric": "roc_auk", "bound": 0.7}, "roc_auk"),
        ({"kind": "at-least", "metric": "roc_auc", "bound": 1.2}, "lies between 0 and 1"),
        ({"kind": "at-least", "metric": "roc_auc", "bound": 0}, "lies between 0 and 1"),
        ({"kind": "acme.gates:MaxLatency"}, "its module does not import"),
        ({"kind": "tests.core.test_gates_reviewed:NoGate"}, "it is not a Gate"),
        ({"kind": "tests.core.test_gates_reviewed:Cheap", "margin": -0.1}, "the margin is -0.1"),
        ({"kind": "tests.core.test_gates_reviewed:Cheap", "metrics": ["rmse"]}, "rmse"),
    ],
)
def test_a_gate_that_cannot_work_is_told(gate: dict[str, Any], said: str) -> None:
    (problem,) = gate_problems(spec_with(PROOF, gate))

    assert problem.startswith("gates[1]")
    assert said in problem


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ssn", "is personal"),
        ("late", "is the target"),
        ("carier", "Did you mean carrier?"),
        ("zzz", "no column 'zzz'"),
    ],
)
def test_a_column_that_no_rows_can_be_cut_by_is_told(name: str, said: str) -> None:
    spec = spec_with(data={"key": ["id"], "time": "at", "personal": ["ssn"]})

    (problem,) = _looked_at(spec, [name], frozenset({"carrier", "id"}))

    assert said in problem


def test_a_column_that_the_suite_names_can_be_cut_by() -> None:
    suite = {
        "expectations": [
            {"type": "expect_column_to_exist", "kwargs": {"column": "region"}},
            {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["a", "b"]}},
        ]
    }

    assert {"region", "a", "b", "carrier", "at", "id"} <= (_columns(spec_with(suite=suite)) or set())
    assert _columns(spec_with(suite={"stored": "flights"})) is None


def test_fresh_rows_go_by_their_time_or_by_when_they_arrived() -> None:
    gate = {**PROOF, "rows": "fresh"}

    assert gate_problems(spec_with(gate, data={"key": ["id"]}, split={"kind": "by-key"})) == ()
    assert gate_problems(spec_with(gate)) == ()


def test_a_gate_that_stands_there_twice_is_told() -> None:
    assert gate_problems(spec_with(PROOF, PROOF)) == (
        "gates[1] (better-than-champion): it says what gates[0] says. Leave one of them out.",
    )


def test_a_margin_below_zero_is_refused_by_the_spec_itself() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        spec_with({**PROOF, "margin": -0.01})


def test_alarms_alone_can_prove_nothing_and_their_columns_are_looked_at() -> None:
    alarm = HoldsOnSlices(metrics=("log_loss",), columns=("carrier", "carier"))

    problems = gate_problems(spec_with().model_copy(update={"gates": (alarm,)}))

    assert len(problems) == 2
    assert "Did you mean carrier?" in problems[0]
    assert "none is ever accepted" in problems[1]


def test_a_spec_without_a_champion_gate_is_noted_and_a_bare_value_too() -> None:
    notes = gate_notes(spec_with({"kind": "at-least", "metric": "roc_auc", "bound": 0.7, "on": "point"}))

    assert "none compares a candidate with the champion" in notes[0]
    assert "no known error rate" in notes[1]
    assert gate_notes(spec_with(PROOF)) == ()
