"""Studies say what simple models reach, what each feature brings, and how fast a model ages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from prefect_mlops.core.errors import DataError, PartError, TrainingError
from prefect_mlops.core.evaluation import evaluate
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.studies import Ablation, Staleness
from prefect_mlops.core.studies.ablation import ablate, groups_of, without
from prefect_mlops.core.studies.baselines import baseline_measurements
from prefect_mlops.core.studies.pictures import ablation_picture, staleness_picture
from prefect_mlops.core.studies.records import Ageing, Score
from prefect_mlops.core.studies.reports import ablation_report, baselines_report, staleness_report
from prefect_mlops.core.studies.staleness import decay_of, replay, rhythm_of
from prefect_mlops.core.trainers.linear import LINEAR_ROWS

TREE = "sklearn.tree.DecisionTreeClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"
LINEAR = "sklearn.linear_model.LinearRegression"


def spec_of(problem: str = "binary", estimator: str = LOGISTIC, **parts: Any) -> ModelSpec:
    metric = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[problem]
    return ModelSpec.model_validate(
        {
            "spec_version": 1,
            "name": "toy",
            "purpose": {"decision": "none", "business_metric": "none", "owner": "tests"},
            "data": {"key": ["id"], "time": "at"},
            "target": {"column": "y", "problem": problem, "positive": True if problem == "binary" else None},
            "features": {"numeric": ["x", "z", "noise"], "category": ["c"]},
            "split": {"kind": "by-key"},
            "trainer": {"kind": "sklearn", "estimator": estimator},
            "gates": [{"kind": "better-than-baseline", "metric": metric}],
        }
        | parts
    )


def rows_of(count: int = 2000, seed: int = 0, problem: str = "binary", turn: float = 0.0) -> pd.DataFrame:
    """Rows of a year; with `turn`, what x tells of y fades from month to month."""
    chance = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "id": np.arange(count) + 1_000_000 * seed,
            "at": pd.date_range("2013-01-01", "2013-12-31", periods=count, tz="UTC"),
            "x": chance.normal(size=count),
            "z": chance.normal(size=count),
            "noise": chance.normal(size=count),
            "c": chance.choice(["p", "q"], count),
        }
    )
    angle = turn * np.arange(count) / count
    signal = 2 * (np.cos(angle) * rows["x"] + np.sin(angle) * rows["z"]) + chance.normal(size=count)
    if problem == "binary":
        return rows.assign(y=signal > 0)
    return rows.assign(y=signal if problem == "regression" else pd.cut(signal, [-99, -1, 1, 99], labels=False))


def stopwatch(models: object, _: pd.DataFrame) -> list[float]:
    return [10.0 - number for number in range(len(models))]  # type: ignore[arg-type]


@pytest.mark.parametrize(("problem", "estimator"), [("binary", TREE), ("multiclass", TREE), ("regression", LINEAR)])
def test_a_dummy_and_a_linear_model_stand_beside_the_candidate_in_every_metric(problem: str, estimator: str) -> None:
    spec, learned, judged = spec_of(problem, estimator), rows_of(problem=problem), rows_of(600, 1, problem)
    candidate = spec.resolved_trainer().fit(spec, learned)
    evidence = evaluate(
        spec,
        candidate=candidate,
        champion=None,
        champion_version=None,
        rows=judged,
        training=learned,
        candidate_name="run",
        judged_on="rows",
    )

    found = baseline_measurements(spec, learned, judged, candidate)
    whole = found.within(evidence)

    for metric in {one.metric for one in evidence.measurements}:
        dummy = next(one for one in found.measurements if (one.metric, one.subject) == (metric, "baseline"))
        assert dummy.value == pytest.approx(evidence.measured(metric, "baseline").value, abs=1e-12, nan_ok=True)
        difference = whole.measured(metric).value - whole.measured(metric, "linear").value
        sign = 1 if whole.measured(metric).higher_is_better else -1
        assert whole.compared(metric, "linear").advantage == pytest.approx(sign * difference, abs=1e-12)
    assert len(whole.measurements) == len({(one.metric, one.subject) for one in whole.measurements})
    assert found.within(whole) == whole


def test_a_linear_model_is_proved_better_than_a_tree_where_the_truth_is_linear() -> None:
    spec = spec_of(estimator=TREE)
    learned, judged = rows_of(), rows_of(1500, 1)

    gain = next(
        one
        for one in baseline_measurements(spec, learned, judged, spec.resolved_trainer().fit(spec, learned)).comparisons
        if (one.metric, one.against) == ("roc_auc", "linear")
    )

    assert gain.advantage + 3 * gain.standard_error < 0


def test_the_linear_baseline_learns_from_a_capped_draw_that_the_seed_repeats() -> None:
    learned = rows_of(LINEAR_ROWS + 500)

    first, again = (baseline_measurements(spec_of(), learned, rows_of(300, 1)) for _ in range(2))

    assert first == again
    assert first.learned == LINEAR_ROWS
    assert first.comparisons == ()
    assert first.estimators["linear"] == LOGISTIC


def test_ablation_finds_the_column_that_helps_and_calls_no_noise_helpful() -> None:
    found = ablate(spec_of(), rows_of(), rows_of(1500, 1), stopwatch)

    said = {one.group: one for one in found.contributions}
    assert found.contributions[0].group == "x"
    assert said["x"].verdict == "helps"
    assert [said[name].verdict for name in ("z", "noise", "c")] == ["not shown"] * 3
    assert all(one.low <= one.advantage <= one.high for one in found.contributions)
    assert said["x"].milliseconds == pytest.approx(1.0)
    assert found.milliseconds == 10.0


def at_most(wrong: int, runs: int, claim: float) -> bool:
    """Whether the lower end of the exact 99.9% interval of a rate lies within the claim."""
    return wrong == 0 or float(stats.beta.ppf(0.0005, wrong, runs - wrong + 1)) <= claim


def test_ablation_finds_an_effect_of_noise_in_at_most_a_twentieth_of_studies() -> None:
    spec, runs, wrong = spec_of(features={"numeric": ["x", "noise"]}), 25, 0
    for seed in range(runs):
        found = ablate(spec, rows_of(300, 2 * seed), rows_of(300, 2 * seed + 1), stopwatch)
        wrong += any(one.verdict == "helps" for one in found.contributions if one.group == "noise")

    assert at_most(wrong, runs, 0.05)


def test_a_rhythm_reaches_an_age_that_costs_too_much_in_at_most_a_twentieth_of_replays() -> None:
    chance, runs, wrong, false_alarms = np.random.default_rng(5), 300, 0, 0
    for _ in range(runs):
        # Fine up to two months; a true loss of exactly the tolerance from three on.
        scores = [
            Score(trained=str(place), scored=str(later), age=later - place,
                  value=0.7 - (0 if later - place < 3 else 0.02) + (later - place > 1) * chance.normal(scale=0.01),
                  standard_error=0.01, rows=100)
            for place in range(12) for later in range(place + 1, 12)
        ]  # fmt: skip
        curve = decay_of(scores, higher_is_better=True, confidence=0.95)
        rhythm, exceeded = rhythm_of(curve, 0.02, 0.95)
        wrong += rhythm >= 3
        false_alarms += exceeded is not None

    assert at_most(wrong, runs, 0.05)
    assert at_most(false_alarms, runs, 0.05)


def test_groups_are_left_out_whole_and_missing_cells_are_counted() -> None:
    judged = rows_of(800, 1)
    judged.loc[:199, "x"] = np.nan

    found = ablate(spec_of(), rows_of(), judged, stopwatch, groups={"signal": ["x", "z"], "rest": ["noise", "c"]})

    said = {one.group: one for one in found.contributions}
    assert said["signal"].missing_share == pytest.approx(0.125)
    assert said["signal"].columns == ("x", "z")
    assert without(spec_of(), ("x", "c")).features.names == ("z", "noise")
    assert without(spec_of(), ("x", "c")).features.category == ()


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"all": ["x", "z", "noise", "c"]}, "no feature is left"),
        ({"odd": ["x", "colour"]}, "names colour, which the model does not look at"),
        ({"none": []}, "names no column"),
    ],
)
def test_groups_that_cannot_be_left_out_are_refused(groups: dict[str, list[str]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        groups_of(spec_of(), groups)


def aged(turn: float, tolerance: float = 0.02, **keys: Any) -> Staleness:
    return replay(spec_of(), rows_of(12_000, turn=turn), tolerance=tolerance, **keys)


def test_a_model_of_a_world_that_stands_still_need_not_be_trained_again() -> None:
    found = aged(0.0)

    assert found.exceeded_months is None
    assert found.rhythm_months >= 6
    assert len(found.scores) == 66


def test_a_model_of_a_world_that_turns_must_be_trained_often_and_its_curve_says_how_often() -> None:
    found = aged(1.5, window_months=1)

    losses = [point.loss for point in found.curve]
    assert losses[1] < losses[3] < losses[5]
    assert found.rhythm_months < 6
    assert found.exceeded_months is not None
    assert found.exceeded_months > found.rhythm_months
    assert "proved to be larger" in found.sentence


def test_a_replay_trains_once_a_month_on_the_window_that_is_asked_for_and_nothing_later() -> None:
    found = aged(1.0, window_months=3)

    assert [score.trained for score in found.scores if score.age == 1] == [
        f"2013-{month:02d}" for month in range(3, 12)
    ]
    assert all(score.trained < score.scored for score in found.scores)
    rows = rows_of(12_000, turn=1.0)
    month = rows["at"].dt.month
    model = spec_of().resolved_trainer().fit(spec_of(), rows[month.isin([1, 2, 3])])
    evidence = evaluate(
        spec_of(),
        candidate=model,
        champion=None,
        champion_version=None,
        rows=rows[month == 6],
        training=rows,
        candidate_name="run",
        judged_on="June",
    )
    (score,) = [one for one in found.scores if (one.trained, one.scored) == ("2013-03", "2013-06")]
    assert score.value == evidence.measured("roc_auc").value


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=9), st.booleans())
def test_a_month_that_is_hard_for_every_model_is_no_age(hardness: list[float], higher_is_better: bool) -> None:
    sign = 1 if higher_is_better else -1
    scores = [
        Score(
            trained=str(place), scored=str(later), age=later - place,
            value=0.7 + hardness[later] - sign * 0.01 * (later - place), standard_error=0.01, rows=100,
        )
        for place in range(len(hardness)) for later in range(place + 1, len(hardness))
    ]  # fmt: skip

    curve = decay_of(scores, higher_is_better=higher_is_better, confidence=0.95)

    assert [point.loss for point in curve] == pytest.approx([0.01 * (point.age - 1) for point in curve])


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ({2: (0.005, 0.001), 3: (0.005, 0.001)}, (3, None)),
        ({2: (0.009, 0.001), 3: (0.005, 0.001)}, (1, None)),
        ({2: (0.005, 0.001), 3: (0.02, 0.001)}, (2, 3)),
        ({2: (0.0, float("nan")), 3: (0.0, 0.001)}, (1, None)),
        ({3: (0.0, 0.001)}, (1, None)),
        ({}, (1, None)),
    ],
)
def test_a_rhythm_ends_at_the_first_age_that_is_not_within_the_tolerance(
    losses: dict[int, tuple[float, float]], told: tuple[int, int | None]
) -> None:
    curve = [Ageing(age=1, months=5, loss=0.0, standard_error=0.0, low=0.0, high=0.0)]
    curve += [
        Ageing(age=age, months=10, loss=loss, standard_error=error, low=loss - 1.83 * error, high=loss + 1.83 * error)
        for age, (loss, error) in losses.items()
    ]

    assert rhythm_of(curve, 0.01, 0.95) == told


def test_a_month_without_a_model_or_without_scores_is_left_out_and_named() -> None:
    rows = rows_of(6000)
    month = rows["at"].dt.month
    rows = rows[(month != 4) & ((month != 1) | rows["y"]) & ((month != 12) | (rows["id"] % 50 == 0))]
    rows = rows[(rows["at"].dt.month != 11) | rows["y"] | (rows["id"] % 50 == 0)]

    found = replay(spec_of(), rows, tolerance=0.05)

    assert [reason.partition(":")[0] for reason in found.skipped] == ["2013-04", "2013-12", "2013-01", "2013-11"]
    assert "one class" in found.skipped[2]
    assert "Left out: 2013-04: 0 rows" in staleness_report(found)


@pytest.mark.parametrize(
    ("spec", "change", "kind", "said"),
    [
        (spec_of(data={"key": ["id"]}), lambda rows: rows, DataError, "needs a time column"),
        (spec_of(), lambda rows: rows[rows["at"].dt.month < 3], DataError, "2 months, and a replay needs three"),
        (spec_of(), lambda rows: rows.assign(at=rows["at"].dt.tz_localize(None)), DataError, "time zone"),
        (spec_of(estimator="sklearn.tree.Nothing"), lambda rows: rows, TrainingError, "no month could be learned"),
    ],
)
def test_rows_that_cannot_be_replayed_are_refused(spec: ModelSpec, change: Any, kind: type, said: str) -> None:
    with pytest.raises(kind, match=said):
        replay(spec, change(rows_of()), tolerance=0.01)


def test_a_metric_that_does_not_fit_is_refused() -> None:
    with pytest.raises(PartError, match="regression"):
        replay(spec_of(), rows_of(), tolerance=0.01, metric="rmse")


def test_reports_and_pictures_show_what_was_found() -> None:
    spec, learned, judged = spec_of(), rows_of(), rows_of(600, 1)
    ablation, staleness = ablate(spec, learned, judged, stopwatch), replay(spec, learned, tolerance=0.02)

    assert "| ✅ | x | helps | +0." in ablation_report(ablation)
    assert staleness.sentence in staleness_report(staleness)
    assert "| up to 2013-11 |" in staleness_report(staleness)
    assert "LogisticRegression" in baselines_report("toy", baseline_measurements(spec, learned, judged))
    for picture in (ablation_picture(ablation), staleness_picture(staleness)):
        assert picture.startswith(b"\x89PNG")
    assert Ablation.model_validate_json(ablation.model_dump_json()) == ablation
    read = Staleness.model_validate_json(staleness.model_dump_json())
    assert read.curve[:-1] == staleness.curve[:-1]
