"""Suites in any form read as one, come out as they went in, and say what changed; proposed ones keep their promises."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.errors import DataError, MlopsError, PartError, SpecError
from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.core.suites.diff import diff_suites
from prefect_mlops.core.suites.propose import propose_suite
from prefect_mlops.core.suites.proposed import write_suite
from prefect_mlops.core.suites.written import parse_suite, suite_from
from prefect_mlops.core.validation import ValidationReport
from prefect_mlops.tasks import validate_data

KINDS = ("expect_column_to_exist", "expect_column_values_to_be_between", "expect_table_row_count_to_be_between")
IN_PYTHON = Suite(expectations=(Expectation(type="expect_column_to_exist", kwargs={"column": "a"}),))
SECRET = "ada-lovelace"

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(leaves | texts, lambda part: st.lists(part, max_size=4), max_leaves=8)
expectations = st.builds(
    lambda kind, column, more, severity, meta: Expectation(
        type=kind, kwargs={"column": column, **more}, severity=severity, meta=meta
    ),
    st.sampled_from(KINDS),
    texts,
    st.dictionaries(st.sampled_from(["min_value", "max_value", "mostly", "value_set"]), values, max_size=3),
    st.sampled_from(["critical", "warning", "info"]),
    st.dictionaries(st.sampled_from(["action", "note"]), st.sampled_from(["block", "warn"]), max_size=1),
)
suites = st.builds(lambda found: Suite(expectations=tuple(found)), st.lists(expectations, max_size=5))


def a_suite() -> Suite:
    return IN_PYTHON


def clean(days: int = 12, rows: int = 150) -> list[pd.DataFrame]:
    batches = []
    for day in range(days):
        chance = np.random.default_rng(day)
        batch = pd.DataFrame({"id": range(day * rows, (day + 1) * rows), "wind": chance.gamma(4, 3, rows)})
        batch["gust"] = batch["wind"] + chance.uniform(0, 5, rows)
        batch["carrier"] = chance.choice(["UA", "DL", "AA"], rows, p=[0.5, 0.3, 0.2])
        batch["sender"] = [f"{SECRET}-{number}" for number in batch["id"]]
        batches.append(batch)
    return batches


def refusal(source: Any, error: type[MlopsError], otherwise: str) -> str:
    """What is said of a source; any other exception is a failure."""
    try:
        suite_from(source)
    except error as refused:
        return str(refused)
    return otherwise


def judged(rows: pd.DataFrame, suite: Suite) -> ValidationReport:
    return validate_data.fn(rows, suite)


@settings(max_examples=150, deadline=None)
@given(suites)
def test_a_suite_that_was_written_reads_back_as_it_was(suite: Suite) -> None:
    text = write_suite(suite, ["because: {of} #this"] * len(suite.expectations), ["head\nof it"])

    assert parse_suite(text) == suite
    assert parse_suite(json.dumps(suite.model_dump(mode="json")), as_json=True).digest == suite.digest


@settings(max_examples=300, deadline=None)
@given(st.text(string.printable, max_size=80) | st.binary(max_size=60))
def test_any_text_is_a_suite_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    for ending in ("yaml", "json"):
        path = folder / f"any.{ending}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert str(path) in refusal(path, SpecError, str(path))


@settings(max_examples=200, deadline=None)
@given(st.recursive(leaves | texts, lambda part: st.lists(part, max_size=3) | st.dictionaries(texts, part, max_size=3)))
def test_any_value_below_expectations_is_a_suite_or_a_clear_error(value: Any) -> None:
    for document in ({"expectations": value}, {"expectations": [value]}, {"expectations": [{"type": value}]}, value):
        assert refusal(document, MlopsError, "a suite")


def test_what_great_expectations_keeps_in_its_own_project_is_taken_as_it_is(tmp_path: Path) -> None:
    import great_expectations as gx

    context = gx.get_context(mode="file", project_root_dir=tmp_path)
    theirs = gx.ExpectationSuite(name="flights")
    theirs.add_expectation(gx.expectations.ExpectColumnValuesToBeBetween(column="age", min_value=0, max_value=120))
    theirs.add_expectation(
        gx.expectations.ExpectColumnValuesToBeInSet(
            column="carrier", value_set=["UA", "DL"], mostly=0.9, severity="warning", meta={"action": "quarantine"}
        )
    )
    theirs.add_expectation(gx.expectations.ExpectColumnMaxToBeBetween(column="age", max_value={"$PARAMETER": "oldest"}))
    context.suites.add(theirs)
    (written,) = (tmp_path / "gx" / "expectations").glob("*.json")

    read = suite_from(written, {"oldest": 99})

    assert read == suite_from(theirs, {"oldest": 99})
    assert [each.kwargs["column"] for each in read.expectations] == ["age", "carrier", "age"]
    assert read.expectations[1].kwargs["mostly"] == 0.9
    assert (read.expectations[1].severity, read.expectations[1].meta) == ("warning", {"action": "quarantine"})
    assert read.expectations[2].kwargs["max_value"] == 99
    with pytest.raises(SpecError, match="oldest"):
        suite_from(written)


def test_a_suite_in_python_is_found_by_its_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "from prefect_mlops.core.spec import Suite\nmade = Suite()\ndef asked():\n    return made\nnumber = 3\n"
    (tmp_path / "acme_suites.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)

    assert suite_from("acme_suites:made") == suite_from("acme_suites:asked") == Suite()
    with pytest.raises(SpecError, match="int is no form of a suite"):
        suite_from("acme_suites:number")
    with pytest.raises(PartError):
        suite_from("acme_suites:gone")


@settings(max_examples=100, deadline=None)
@given(suites, suites)
def test_a_diff_knows_equal_suites_and_mirrors_itself(one: Suite, other: Suite) -> None:
    there, back = diff_suites(one, other), diff_suites(other, one)

    assert not diff_suites(one, one).changes
    counts = [
        [sum(change.kind == kind for change in found.changes) for found in (there, back)]
        for kind in ("added", "removed")
    ]
    assert counts[0] == counts[1][::-1]


def test_what_allows_less_is_told_from_what_allows_more() -> None:
    def asked(**kwargs: Any) -> Suite:
        named = {"column": "age", **kwargs}
        return Suite(expectations=(Expectation(type="expect_column_values_to_be_between", kwargs=named),))

    def kind(old: Suite, new: Suite) -> str:
        return diff_suites(old, new).changes[0].kind

    assert kind(asked(max_value=120), asked(max_value=130)) == "loosened"
    assert kind(asked(max_value=120), asked(max_value=120, mostly=0.9)) == "loosened"
    assert kind(asked(max_value=120), asked(min_value=0, max_value=120)) == "tightened"
    assert kind(asked(min_value=0, max_value=9), asked(min_value=1, max_value=10)) == "changed"


def test_a_proposed_suite_passes_its_own_batches_in_great_expectations_too() -> None:
    batches = clean()

    found = propose_suite(batches, key=["id"], false_alarm_rate=0.01)

    assert parse_suite(found.yaml) == found.suite
    assert len(found.reasons) == len(found.suite.expectations)
    for batch in (*batches, *clean(14)[12:]):
        assert not judged(batch, found.suite).failures


@pytest.mark.parametrize(
    "fault",
    [
        lambda rows: rows.assign(wind=rows["wind"] * 1.609),
        lambda rows: rows.rename(columns={"wind": "gust", "gust": "wind"}),
        lambda rows: rows.assign(wind=7.0),
        lambda rows: rows[rows["carrier"] == "UA"],
        lambda rows: rows.assign(wind=rows["wind"].mask(rows.index % 3 == 0)),
        lambda rows: pd.concat([rows, rows.head(20)]),
        lambda rows: rows.drop(columns="gust"),
        lambda rows: rows.assign(wind=rows["wind"].astype(str)),
        lambda rows: rows.head(9),
    ],
    ids=["unit", "swapped", "stuck", "truncated", "nulls", "twice", "missing", "type", "few"],
)
def test_a_fault_fails_a_proposed_suite(fault: Any) -> None:
    suite = propose_suite(clean(40), key=["id"]).suite

    assert judged(fault(clean(41)[40]), suite).failures


def test_no_value_of_a_personal_column_stands_in_a_proposal() -> None:
    found = propose_suite(clean(), key=["id"], personal=["sender"])

    assert SECRET not in found.yaml
    assert any(each.kwargs.get("column") == "sender" for each in found.suite.expectations)


@pytest.mark.parametrize(
    ("rows", "keys", "said"),
    [
        (clean(4), {}, "from 4 batches"),
        (clean(1)[0].head(20), {}, "from 20 rows"),
        (clean(), {"key": ["gone"]}, "no column gone"),
        (clean(1)[0], {"time": "gone"}, "gone"),
        (clean(1)[0], {"time": "carrier"}, "carrier"),
        ([pd.concat([batch, batch]) for batch in clean()], {"key": ["id"]}, "repeats within a batch"),
    ],
)
def test_rows_that_allow_no_proposal_are_refused(rows: Any, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        propose_suite(rows, **keys)
