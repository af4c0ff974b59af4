"""A report needs nothing else and tells no value of a row; runs are compared on the rows that they share."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.experiments.comparing import compare_holdouts, holdout_table
from prefect_mlops.core.experiments.markdown import comparison_report, experiment_report
from prefect_mlops.core.experiments.records import ExperimentReport, Report, RunComparison, Usage
from prefect_mlops.core.experiments.reporting import make_report
from prefect_mlops.core.metrics import compare, metric_named, metrics_for
from prefect_mlops.core.search.results import Estimate, SearchResult, TrialRow
from prefect_mlops.core.studies.beside import judged_rows, main_metric, said_by
from prefect_mlops.core.trainers import FittedModel
from tests.core.experiment_cases import CASES, FOREST, Case, rentals, tumours, wines

SEARCH = SearchResult(
    study="s",
    metric="roc_auc",
    rows=100,
    trials=(TrialRow(number=0, state="complete", value=0.9, parameters={"C": 1.0}),),
    chosen=0,
    best=0,
    naive=Estimate(value=0.9, low=0.85, high=0.95),
    corrected=Estimate(value=0.88, low=0.82, high=0.93),
)


class Page(HTMLParser):
    """All tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]


def other_model(case: Case, seed: int = 0) -> FittedModel:
    trainer = {"kind": "sklearn", "estimator": FOREST, "parameters": {"n_estimators": 20}}
    spec = type(case.spec).model_validate(case.spec.model_dump() | {"trainer": trainer, "seed": seed})
    return spec.resolved_trainer().fit(spec, case.training)


@cache
def plain_report(problem: str) -> Report:
    """The report of a case, without a champion."""
    return report_of(CASES[problem]())


def report_of(case: Case, champion: FittedModel | None = None) -> Report:
    usage = Usage(seconds=3.21, cpu_seconds=5.0, peak_mib=700.0)
    return make_report(
        case.spec,
        case.model,
        case.training,
        case.judging,
        case.evidence(champion),
        case.decision(),
        champion=champion,
        search=SEARCH,
        usage=usage,
    )


@pytest.mark.parametrize(
    ("problem", "pictures"),
    [
        ("binary", {"roc", "precision-recall", "calibration", "importances", "learning"}),
        ("multiclass", {"roc", "precision-recall", "calibration", "importances", "learning"}),
        ("regression", {"residuals", "importances", "learning"}),
    ],
)
def test_a_report_is_one_page_that_asks_for_nothing_and_a_record_that_survives_json(
    problem: str, pictures: set[str]
) -> None:
    case = CASES[problem]()

    report = plain_report(problem)
    page = Page(report.page)

    assert set(report.pictures) == pictures
    assert all(picture.startswith(b"\x89PNG") for picture in report.pictures.values())
    assert page.tags.count("img") == len(pictures)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert case.decision().summary in report.page
    assert "what to do &lt;soon&gt;" in report.page
    assert "3.2 s by the clock" in report.page
    assert {one.subject for one in report.record.evidence.measurements} == {"candidate", "baseline", "linear"}
    assert {one.feature for one in report.record.importances} == set(case.spec.features.names)
    again = ExperimentReport.model_validate_json(report.record.model_dump_json())
    # NaN is not equal to itself, its text is.
    assert again.model_dump_json() == report.record.model_dump_json()
    markdown = experiment_report(report.record, {"MLflow": "http://mlflow.invalid/run", "place": "here"})
    assert "[MLflow](http://mlflow.invalid/run)" in markdown
    assert case.spec.features.names[0] in markdown


def test_a_champion_stands_beside_the_candidate_in_every_picture_of_two_classes() -> None:
    case = tumours()

    report = report_of(case, other_model(case))

    assert {one.of for one in report.record.curves} == {"candidate", "champion"}
    assert "champion (version 3)" in report.page


def test_pictures_are_the_same_bytes_again() -> None:
    assert plain_report("multiclass").pictures == report_of(wines()).pictures


def test_labels_and_columns_that_are_markup_are_only_shown() -> None:
    case, evil = wines(), "<script>alert(1)</script>$x^2$"
    rows = [frame.rename(columns={"hue": evil}) for frame in (case.training, case.judging)]
    rows = [frame.assign(cultivar=frame["cultivar"].replace("class_0", evil)) for frame in rows]
    features = case.spec.features.model_copy(update={"numeric": ("alcohol", "ash", evil, "proline")})
    spec = case.spec.model_copy(update={"features": features})
    strange = Case(spec, rows[0], rows[1], spec.resolved_trainer().fit(spec, rows[0]))

    page = report_of(strange).page

    assert "script" not in Page(page).tags
    assert "&lt;script&gt;" in page


def test_a_report_of_few_rows_has_what_it_can() -> None:
    case = tumours()
    few = Case(case.spec, case.training, case.judging.groupby("benign").head(6), case.model)

    report = report_of(few)

    assert set(report.pictures) == {"roc", "precision-recall"}
    assert "not applicable" in report.page


def test_a_page_tells_no_key_and_no_feature_value() -> None:
    case, report = tumours(), plain_report("binary")

    assert "patient-" not in report.page
    assert "patient-" not in report.record.model_dump_json()
    assert not [value for value in case.judging["mean_area"] if f">{value}<" in report.page]


@pytest.mark.parametrize("problem", list(CASES))
def test_a_hold_out_is_kept_without_keys_and_comes_back_from_its_file(problem: str) -> None:
    case = CASES[problem]()
    kept = io.BytesIO()

    holdout_table(case.spec, case.model, case.judging).to_parquet(kept)
    table = pd.read_parquet(kept)

    assert len(table) == len(case.judging)
    assert table["row"].is_unique
    assert not set(table.columns) & set(case.judging.columns)
    assert b"patient" not in kept.getvalue()
    assert ("day" in table) == (problem == "regression")
    assert sum(name.startswith("chance of ") for name in table) == len(case.model.classes)


def test_a_secret_gives_rows_other_names() -> None:
    case = tumours()
    plain, keyed = (holdout_table(case.spec, case.model, case.judging, secret) for secret in (b"", b"secret"))

    assert not set(plain["row"]) & set(keyed["row"])


@pytest.mark.parametrize("make", [tumours, wines])
def test_runs_are_measured_on_shared_rows_and_differ_by_paired_intervals(make: Callable[[], Case]) -> None:
    case = make()
    other, metrics = other_model(case), metrics_for(case.spec.target.problem)
    tables = {
        "first": holdout_table(case.spec, case.model, case.judging.iloc[:-10]),
        "second": holdout_table(case.spec, other, case.judging.iloc[::-1].iloc[:-5]),
    }

    found = compare_holdouts(case.spec, tables)

    shared = judged_rows(case.spec, case.judging.iloc[5:-10], case.model.classes)
    first, second = (said_by(model, shared) for model in (case.model, other))
    assert found.rows == len(shared.target)
    assert found.left_out == {"first": 5, "second": 10}
    values = {(one.metric, one.run): one for one in found.values}
    for metric in metrics:
        value = metric.value(shared.target, first)
        if np.isfinite(values[metric.name, "first"].value.value):
            assert values[metric.name, "first"].value.value == pytest.approx(value)
            gain = values[metric.name, "second"].advantage
            assert gain is not None
            assert gain.value == pytest.approx(compare(metric, shared.target, second, first).value, abs=1e-12)
    assert values["accuracy", "first"].advantage is None
    assert RunComparison.model_validate_json(found.model_dump_json()).rows == found.rows


def test_differences_count_days_and_hold_for_all_runs_together() -> None:
    case = rentals()
    trainer = {"kind": "sklearn", "estimator": "sklearn.linear_model.Ridge"}
    worse = type(case.spec).model_validate(case.spec.model_dump() | {"trainer": trainer})
    ridge = worse.resolved_trainer().fit(worse, case.training)
    tables = {
        "forest": holdout_table(case.spec, case.model, case.judging),
        "ridge": holdout_table(case.spec, ridge, case.judging),
        "twin": holdout_table(case.spec, case.model, case.judging),
    }

    found = {(one.metric, one.run): one for one in compare_holdouts(case.spec, tables).values}

    said = said_by(ridge, case.judged)
    known = compare(metric_named("rmse", "regression"), case.judged.target, said, case.said, case.judged.blocks)
    gain = found["rmse", "ridge"].advantage
    assert gain.value == pytest.approx(known.value)
    assert gain.level == pytest.approx(0.975)
    # Student's t at 97.5% for two sides is wider than at 95%.
    assert (gain.high - gain.low) / 2 == pytest.approx(known.standard_error * 2.29, rel=0.02)
    assert known.degrees_of_freedom == case.judging["time"].dt.date.nunique() - 1
    assert found["rmse", "ridge"].verdict == "worse"
    assert found["rmse", "twin"].verdict == "not shown"
    text = comparison_report(compare_holdouts(case.spec, tables))
    assert "❌ | rmse | ridge" in text
    assert "rank" not in text


def test_classes_in_another_order_are_the_same_classes() -> None:
    case = wines()
    table = holdout_table(case.spec, case.model, case.judging)
    chances = [name for name in table if name.startswith("chance of ")]
    turned = table.assign(target=2 - table["target"], said=2 - table["said"])
    turned = turned[[*table.columns.difference(chances, sort=False), *reversed(chances)]]

    found = compare_holdouts(case.spec, {"one": table, "two": turned})

    assert found.rows == len(table)
    assert {one.advantage.value for one in found.values if one.run == "two" and np.isfinite(one.value.value)} == {0.0}


def test_a_class_that_only_one_run_knows_has_no_chance_in_the_other() -> None:
    case = wines()
    table = holdout_table(case.spec, case.model, case.judging)
    more = table.assign(**{f"chance of {json.dumps('class_9')}": 0.0})

    assert compare_holdouts(case.spec, {"one": table, "two": more}).rows == len(table)


def test_labels_that_changed_and_doubled_keys_are_left_out_and_counted() -> None:
    case = tumours()
    table = holdout_table(case.spec, case.model, case.judging)
    later = table.copy()
    later.loc[:2, "target"] = 1 - later.loc[:2, "target"]
    later = pd.concat([later, later.tail(1)], ignore_index=True)

    found = compare_holdouts(case.spec, {"one": table, "two": later})

    assert (found.changed, found.rows) == (3, len(table) - 4)
    assert "3 shared rows had another label" in comparison_report(found)


def test_runs_that_share_too_little_are_refused_with_a_cure() -> None:
    case = tumours()
    whole = holdout_table(case.spec, case.model, case.judging)
    halves = {"one": whole.iloc[:150], "two": whole.iloc[140:]}

    with pytest.raises(DataError, match=r"share 10 hold-out rows, and 20 are needed.*overlap"):
        compare_holdouts(case.spec, halves)
    with pytest.raises(DataError, match="two different runs"):
        compare_holdouts(case.spec, {"one": whole})
    with pytest.raises(DataError, match="of no binary problem"):
        compare_holdouts(
            case.spec, {"one": whole, "two": holdout_table(rentals().spec, rentals().model, rentals().judging)}
        )


def test_the_main_metric_is_the_first_that_a_gate_names() -> None:
    assert plain_report("binary").record.metric == main_metric(tumours().spec).name == "roc_auc"
