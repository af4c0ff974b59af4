"""Decisions with everything in them, and with hardly anything, for the tests of what people see."""

from __future__ import annotations

from typing import Any

from prefect_mlops.core.evidence import (
    Check,
    Comparison,
    Decision,
    Evidence,
    HoldoutUse,
    Measurement,
    Verdict,
    Wager,
)
from prefect_mlops.core.spec import ModelSpec

NAN = float("nan")
HOSTILE = "x | y *bold* <script>alert(1)</script> ![p](http://a.invalid/p.png)\n# z `c`"


def spec_with(*gates: dict[str, Any], **parts: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "flights-late",
            "purpose": {"decision": "Warn a passenger", "business_metric": "missed connections", "owner": "operations"},
            "data": {"key": ["id"], "time": "at"},
            "target": {"column": "late", "problem": "binary", "positive": True},
            "features": {"numeric": ["distance"], "category": ["carrier"]},
            "split": {"kind": "by-time", "judge_days": 10},
            "trainer": {"kind": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
            "gates": list(gates) or [{"kind": "better-than-champion", "metric": "roc_auc"}],
        }
        | parts
    )


def measured(metric: str, subject: Any, value: float, rows: int = 5_000) -> Measurement:
    return Measurement(
        metric=metric,
        subject=subject,
        value=value,
        standard_error=0.008,
        degrees_of_freedom=rows - 1,
        higher_is_better=metric != "log_loss",
        rows=rows,
        scale="identity" if metric == "log_loss" else "logit",
    )


def compared(metric: str, against: Any, advantage: float, error: float = 0.004) -> Comparison:
    return Comparison(
        metric=metric, against=against, advantage=advantage, standard_error=error, degrees_of_freedom=4_999, rows=5_000
    )


def wager(looks: int, e_value: float, metric: str = "roc_auc") -> Wager:
    return Wager(
        metric=metric,
        champion_version=3,
        e_value=e_value,
        looks=looks,
        rows=500 * looks,
        wins=40.0 * looks,
        losses=31.5 * looks,
        until=f"2013-05-{looks:02}T00:00:00+00:00",
        scored="pairs of a late and a punctual flight of the same day",
    )


def whole_evidence(**parts: Any) -> Evidence:
    subjects = {"candidate": 0.0, "champion": -0.012, "anchor": -0.02, "baseline": -0.26, "linear": -0.03}
    found = {
        "model": "flights-late",
        "candidate": "quiet-fox",
        "champion_version": 3,
        "anchor_version": 2,
        "champion_days": 12.5,
        "judged_on": "10 days from 2013-05-21",
        "judged_until": "2013-05-31T23:00:00+00:00",
        "holdout_digest": "e" * 64,
        "measurements": tuple(
            measured(metric, subject, base + (shift if metric == "roc_auc" else -shift))
            for metric, base in (("roc_auc", 0.76), ("log_loss", 0.48))
            for subject, shift in subjects.items()
        ),
        "comparisons": tuple(
            compared(metric, subject, -shift)
            for metric in ("roc_auc", "log_loss")
            for subject, shift in subjects.items()
            if subject != "candidate"
        ),
        "wagers": (wager(4, 11.3),),
        "holdout_use": HoldoutUse(digest="e" * 64, comparisons=7),
        "champion_reported": (measured("roc_auc", "champion", 0.741, 2_000),),
    }
    return Evidence.model_validate(found | parts)


def slices(count: int, broken: int = 1) -> tuple[Check, ...]:
    return tuple(
        Check(
            name=f"carrier = C{number:03}",
            metric="accuracy",
            value=-0.08 if number < broken else 0.001 * (number % 7 - 3),
            bound=0.0,
            low=-0.12 if number < broken else -0.03,
            high=-0.04 if number < broken else 0.03,
            rows=500,
            p_value=1e-6 * (number + 1) if number < broken else 0.02 + 0.9 * number / count,
            adjusted_p=1e-4 if number < broken else 1.0,
            minimum_detectable=0.06,
        )
        for number in range(count)
    )


def whole_decision(checks: tuple[Check, ...] = ()) -> Decision:
    checks = checks or slices(40)
    proof = Verdict(
        gate="better-than-champion",
        metric="roc_auc",
        outcome="undecided",
        reason="E is 11.3 of the 20 needed.",
        value=0.012,
        bound=0.0,
        low=0.0054,
        high=0.0186,
        rows=2_000,
        minimum_detectable=0.01,
        rows_needed=4_100,
        e_value=11.3,
    )
    floor = Verdict(
        gate="at-least",
        metric="roc_auc",
        outcome="pass",
        reason="roc_auc of the candidate is 0.76, proved at least 0.7.",
        value=0.76,
        bound=0.7,
        low=0.747,
        high=0.773,
        rows=5_000,
    )
    alarm = Verdict(
        gate="holds-on-slices",
        metric="accuracy",
        outcome="fail",
        reason="On carrier = C000 the candidate is 0.08 worse than the champion.",
        family="alarm",
        value=-0.08,
        bound=0.0,
        rows=500,
        p_value=1e-4,
        adjusted_p=2e-4,
        checks=checks,
    )
    limit = Verdict(
        gate="small-enough",
        metric="",
        outcome="pass",
        reason="The model is 12 MB.",
        family="limit",
        value=12.0,
        bound=50.0,
    )
    verdicts = (floor, proof, alarm, limit)
    return Decision(outcome="rejected", verdicts=verdicts, summary="Rejected: carrier C000 is worse.")


def bare() -> tuple[Evidence, Decision]:
    """A first candidate of which nothing could be measured."""
    evidence = Evidence(
        model="flights-late",
        candidate="run",
        judged_on="",
        holdout_digest="",
        measurements=(measured("roc_auc", "candidate", NAN, 7),),
        comparisons=(compared("roc_auc", "baseline", NAN, NAN),),
    )
    verdict = Verdict(gate="at-least", metric="roc_auc", outcome="not applicable", reason="Too few.", value=NAN)
    return evidence, Decision(outcome="undecided", verdicts=(verdict,), summary="Undecided: too few.")
