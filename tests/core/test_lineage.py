"""The digest of rows changes with every cell and type, and with nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_mlops.core.errors import DataError
from prefect_mlops.core.lineage import DataVersion, Lineage, digest_rows
from prefect_mlops.core.spec import Expectation, Suite

ROWS = pd.DataFrame(
    {
        "number": [1.5, np.nan, 3.0],
        "text": ["x", None, ""],
        "whole": [1, 2, 3],
        "when": pd.to_datetime(["2013-01-01", None, "2013-01-03"], utc=True),
        "flag": [True, False, True],
    }
)


def test_index_and_column_order_do_not_matter() -> None:
    other = ROWS.set_index(pd.Index([7, 8, 9]))[["when", "flag", "whole", "text", "number"]]

    assert digest_rows(other) == digest_rows(ROWS)


def test_row_order_matters_only_when_asked() -> None:
    turned = ROWS.iloc[::-1]

    assert digest_rows(turned) == digest_rows(ROWS)
    assert digest_rows(turned, ordered=True) != digest_rows(ROWS, ordered=True)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("number", 1.5000001),
        ("text", "X"),
        ("whole", 9),
        ("when", pd.Timestamp("2013-01-02", tz="UTC")),
        ("flag", False),
    ],
)
def test_one_changed_cell_changes_it(column: str, value: object) -> None:
    changed = ROWS.copy()
    changed.loc[0, column] = value

    assert digest_rows(changed) != digest_rows(ROWS)


def test_a_change_far_down_changes_it() -> None:
    rows = pd.DataFrame({"label": np.zeros(50_000, dtype=bool)})
    changed = rows.copy()
    changed.loc[49_999, "label"] = True

    assert digest_rows(changed) != digest_rows(rows)


@pytest.mark.parametrize("other", [ROWS.assign(whole=ROWS.whole.astype("int32")), ROWS.rename(columns={"whole": "n"})])
def test_a_type_or_a_name_changes_it(other: pd.DataFrame) -> None:
    assert digest_rows(other) != digest_rows(ROWS)


def test_a_null_differs_from_an_empty_text_and_from_the_word() -> None:
    digests = {digest_rows(pd.DataFrame({"a": pd.Series([text], dtype="str")})) for text in (None, "", "nan", "None")}

    assert len(digests) == 4


def test_values_do_not_wander_between_columns() -> None:
    one, two = pd.DataFrame({"a": ["x"], "b": ["y"]}), pd.DataFrame({"a": ["y"], "b": ["x"]})

    assert digest_rows(one) != digest_rows(two)


def test_a_row_twice_is_not_the_row_once() -> None:
    assert digest_rows(pd.concat([ROWS, ROWS])) != digest_rows(ROWS)


def test_an_empty_frame_has_a_digest_of_its_own_types() -> None:
    assert digest_rows(ROWS.iloc[:0]) != digest_rows(ROWS[["whole"]].iloc[:0])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.text(max_size=3)), min_size=1, max_size=12), st.randoms())
def test_any_order_of_the_same_rows_has_one_digest(rows: list[tuple[int, str]], chance: object) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random

    assert digest_rows(pd.DataFrame(rows)) == digest_rows(pd.DataFrame(shuffled))


def test_a_data_version_survives_json() -> None:
    said = DataVersion(table="t", version=3, rows=2, digest="d", columns={"a": "int64"})

    assert DataVersion.model_validate_json(said.model_dump_json()) == said


def test_a_data_version_tells_its_time_span_and_refuses_what_is_no_time() -> None:
    said = DataVersion.of(ROWS, "t", 3, "when")

    assert (said.first, said.last) == ("2013-01-01T00:00:00+00:00", "2013-01-03T00:00:00+00:00")
    assert DataVersion.of(ROWS.iloc[:0], "t", 3, "when").last == ""
    with pytest.raises(DataError, match="'text' holds no times"):
        DataVersion.of(ROWS, "t", 3, "text")


def test_a_lineage_from_before_suites_were_on_record_is_still_read() -> None:
    old = {
        "model": "m",
        "data": {"table": "t", "version": 1, "rows": 2, "digest": "d"},
        **dict.fromkeys(("commit", "spec_digest", "lock_digest", "holdout_digest", "cutoff", "as_of"), ""),
        "labels_version": 1,
        "seed": 0,
        "parameters": {},
    }

    assert Lineage.model_validate(old).suite_digest == ""


def test_pages_of_the_validation_do_not_change_the_suites_digest() -> None:
    plain = Suite(expectations=(Expectation(type="expect_column_to_exist", kwargs={"column": "a"}),))
    paged = plain.model_copy(update={"data_docs": True})
    other = plain.model_copy(update={"expectations": ()})

    assert paged.digest == plain.digest
    assert other.digest != plain.digest
