"""Frames and suites for holding `validate_data` against plain Great Expectations: every type, every trap."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from prefect_mlops.core.spec import Expectation
from prefect_mlops.tasks.expectations.compiled import POSITION, RESULT_FORMAT, domain_object
from prefect_mlops.tasks.expectations.plain import unanswered
from prefect_mlops.tasks.expectations.quiet import quiet_context

TEXTS = ["", "ab", "ab\n", "AB-12", "é", "naïve 7", "٣", "🙂", "a.b", "7", " x ", "\x1c", "ab\nab", "Straße"]
NUMBERS = [0, 1, -1, 2, 3, 7, 100, 2**53, 2**53 + 1, -(2**53) - 3]
FLOATS = [0.0, -0.0, 1.0, 2.0, 2.5, -1.5, 1e300, 3.0, float("inf"), float("-inf"), 0.1 + 0.2]
MOMENTS = [datetime(2024, 1, 1), datetime(2024, 1, 1, 12), datetime(2023, 6, 5, 4, 3, 2, 1), datetime(1969, 12, 31)]
PATTERNS = [
    "^ab$", "ab", "^[A-Z]{2}-[0-9]+$", r"^\w+$", r"\d", r"^\d$", r"a\.b", "(?=a)ab", r"\s", r"^\w", "é", "[^a-z]", ".",
    "^$",
    "^(ab|7)$", "a|b$", r"\bab\b", "[", "a{1,2}", "(a)(b)", r"[\d.]+", "x*", r"ab\Z", "(?i)AB", "$", r"\$", "[a-z]+?b",
]  # fmt: skip

TYPES = [
    "int64",
    "str",
    "float64",
    "object",
    "bool",
    "datetime64[us]",
    "Int64",
    "int",
    "float",
    "datetime64",
    "object_",
]

INTEGERS = ("int64", "int32", "uint8", "int8", "uint64", "Int64", "int64[pyarrow]")
FLOATING = ("float64", "float32", "Float64", "double[pyarrow]")
TEXTUAL = ("str", "object", "string", "string[pyarrow]", "category")
TIMES = ("datetime64[ns]", "datetime64[us]", "datetime64[s]", "datetime64[us, UTC]", "datetime64[ns, Europe/Paris]")
LOGICAL = ("bool", "boolean", "bool[pyarrow]")


@st.composite
def columns(draw: st.DrawFn, rows: int) -> pd.Series:
    """One column of any type, with nulls where the type has them."""
    dtype = draw(
        st.sampled_from((*INTEGERS, "int64", *FLOATING, "float64", *TEXTUAL, "str", "str", *TIMES, *LOGICAL, "mixed"))
    )
    holes = dtype not in (*INTEGERS[:5], "bool") and draw(st.booleans())
    few = draw(st.integers(1, 4))

    def some(values: list[Any]) -> list[Any]:
        pool = st.sampled_from(draw(st.permutations(values))[:few])
        return draw(st.lists(st.none() | pool if holes else pool, min_size=rows, max_size=rows))

    if dtype == "mixed":
        return pd.Series(some([1, "a", 2.5, None, True, float("nan"), (1, 2)]), dtype=object)
    if dtype in INTEGERS:
        small = [number for number in NUMBERS if -(2**7) <= number < 2**7 and ("u" not in dtype or number >= 0)]
        return pd.Series(some(NUMBERS if dtype in ("int64", "Int64", "int64[pyarrow]") else small), dtype=dtype)
    if dtype in FLOATING:
        values = some(FLOATS if dtype != "float32" else [0.0, 0.1, 2.5, float("inf")])
        return pd.Series([np.nan if each is None and dtype[0] == "f" else each for each in values], dtype=dtype)
    if dtype in TIMES:
        return _times(some(MOMENTS), dtype)
    return pd.Series(some([True, False] if dtype in LOGICAL else TEXTS), dtype=dtype)


def _times(values: list[Any], dtype: str) -> pd.Series:
    unit, _, zone = dtype.removeprefix("datetime64[").removesuffix("]").partition(", ")
    times = pd.Series(pd.to_datetime(pd.Series(values, dtype="datetime64[us]"))).astype(f"datetime64[{unit}]")
    return times.dt.tz_localize(zone) if zone else times


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """A few rows of up to five columns `a`, `b`, ..."""
    rows = draw(st.integers(1, 7))
    names = "abcde"[: draw(st.integers(1, 5))]
    return pd.DataFrame({name: draw(columns(rows)) for name in names})


def numbers() -> st.SearchStrategy[Any]:
    return st.sampled_from([0, 1, 2, -1, 2.5, 3, 100, 2**53, 0.1 + 0.2, None, 1e301, -(2**60)])


def bounds() -> st.SearchStrategy[dict[str, Any]]:
    """Bounds of every sort, also in the wrong order."""
    moments = st.sampled_from(
        [*MOMENTS, MOMENTS[0].replace(tzinfo=UTC), "2024-01-01", "2024-01-01T00:00:00+00:00", None]
    )
    one = st.one_of(numbers(), moments)
    strict = st.sampled_from([{}, {"strict_min": True}, {"strict_max": True}, {"strict_min": True, "strict_max": True}])
    both = st.one_of(st.tuples(numbers(), numbers()), st.tuples(moments, moments), st.tuples(one, one))
    return st.tuples(both, strict).map(lambda drawn: {"min_value": drawn[0][0], "max_value": drawn[0][1], **drawn[1]})


def lengths() -> st.SearchStrategy[dict[str, Any]]:
    """Bounds of a text's length."""
    low, high = st.sampled_from([None, 0, 2]), st.sampled_from([None, 1, 3])
    return st.fixed_dictionaries({"min_value": low, "max_value": high, "strict_min": st.booleans()})


def value_sets() -> st.SearchStrategy[list[Any]]:
    pools = ([*TEXTS, "b"], NUMBERS, FLOATS[:6], [True, False], ["2024-01-01"], [1, "a", None, 2.5], MOMENTS)
    return st.one_of([st.lists(st.sampled_from(pool), max_size=5) for pool in pools])


@st.composite
def expectations(draw: st.DrawFn, names: list[str]) -> Expectation:
    """One expectation about columns of the frame, arguments sometimes of the wrong type."""
    column = {"column": draw(st.sampled_from(names))}
    pair = {"column_A": draw(st.sampled_from(names)), "column_B": draw(st.sampled_from(names))}
    some = {"column_list": draw(st.lists(st.sampled_from(names), min_size=2, max_size=3))}
    mostly = draw(st.sampled_from([{}, {}, {"mostly": 0.5}, {"mostly": 0.9}, {"mostly": 0}]))
    ignoring = st.sampled_from(
        [{}, *({"ignore_row_if": word} for word in ("both_values_are_missing", "either_value_is_missing", "neither"))]
    )
    leaving_out = st.sampled_from(
        [{}, *({"ignore_row_if": word} for word in ("all_values_are_missing", "any_value_is_missing", "never"))]
    )
    quantiles = {"quantiles": [0.05, 0.5, 0.75], "value_ranges": [[0, 2], [None, 3], [1, None]]}
    pairs = st.lists(
        st.tuples(st.sampled_from(["ab", 1, None, "7", 2]), st.sampled_from(["ab", 1, None, 2.5])), max_size=3
    )
    share = draw(st.sampled_from([0, 0.5, 1]))
    named = st.lists(st.sampled_from([*names, "zz"]), max_size=4)
    kinds: dict[str, dict[str, Any]] = {
        "column_to_exist": column,
        "column_values_to_be_of_type": {**column, "type_": draw(st.sampled_from(TYPES))},
        "column_values_to_be_in_type_list": {**column, "type_list": draw(st.lists(st.sampled_from(TYPES), min_size=1))},
        "column_values_to_not_be_null": {**column, **mostly},
        "column_values_to_be_null": {**column, **mostly},
        "column_values_to_be_unique": {**column, **mostly},
        "compound_columns_to_be_unique": {**some, **mostly, **draw(leaving_out)},
        "column_values_to_be_between": {**column, **mostly, **draw(bounds())},
        "column_values_to_be_in_set": {**column, **mostly, "value_set": draw(value_sets())},
        "column_values_to_not_be_in_set": {**column, **mostly, "value_set": draw(value_sets())},
        "column_values_to_match_regex": {**column, **mostly, "regex": draw(st.sampled_from(PATTERNS))},
        "column_values_to_not_match_regex": {**column, **mostly, "regex": draw(st.sampled_from(PATTERNS))},
        "column_values_to_match_like_pattern": {**column, "like_pattern": "a%"},
        "column_value_lengths_to_be_between": {**column, **mostly, **draw(lengths())},
        "column_value_lengths_to_equal": {**column, "value": draw(st.sampled_from([0, 2, 3]))},
        "column_pair_values_to_be_equal": {**pair, **mostly, **draw(ignoring)},
        "column_pair_values_a_to_be_greater_than_b": {
            **pair, **mostly, **draw(ignoring), "or_equal": draw(st.booleans())
        },
        "column_pair_values_to_be_in_set": {**pair, **mostly, **draw(ignoring), "value_pairs_set": draw(pairs)},
        "column_min_to_be_between": {**column, **draw(bounds())},
        "column_max_to_be_between": {**column, **draw(bounds())},
        "column_mean_to_be_between": {**column, **draw(bounds())},
        "column_median_to_be_between": {**column, **draw(bounds())},
        "column_stdev_to_be_between": {**column, **draw(bounds())},
        "column_sum_to_be_between": {**column, **draw(bounds())},
        "column_quantile_values_to_be_between": {**column, "quantile_ranges": quantiles},
        "column_distinct_values_to_be_in_set": {**column, "value_set": draw(value_sets()) or ["ab"]},
        "column_distinct_values_to_contain_set": {**column, "value_set": draw(value_sets()) or ["ab"]},
        "column_distinct_values_to_equal_set": {**column, "value_set": draw(value_sets()) or ["ab"]},
        "column_unique_value_count_to_be_between": {**column, **draw(bounds())},
        "column_proportion_of_unique_values_to_be_between": {**column, "min_value": share},
        "column_proportion_of_non_null_values_to_be_between": {**column, "min_value": share},
        "column_most_common_value_to_be_in_set": {**column, "value_set": draw(value_sets()) or ["ab"]},
        "table_row_count_to_be_between": {"min_value": draw(st.integers(0, 5)), "max_value": draw(st.integers(3, 9))},
        "table_row_count_to_equal": {"value": draw(st.integers(0, 5))},
        "table_column_count_to_equal": {"value": draw(st.integers(0, 5))},
        "table_columns_to_match_set": {"column_set": draw(named), "exact_match": draw(st.booleans())},
        "table_columns_to_match_ordered_list": {"column_list": draw(named)},
    }  # fmt: skip
    kind = draw(st.sampled_from(sorted(kinds)))
    conditioned = {"row_condition": 'a == "ab"', "condition_parser": "pandas"}
    kwargs = {**kinds[kind], **(conditioned if "column" in kinds[kind] and draw(st.integers(0, 15)) == 0 else {})}
    return Expectation(type=f"expect_{kind}", kwargs=kwargs)


def asked_plainly(rows: pd.DataFrame, expectations: Sequence[tuple[int, Expectation]]) -> dict[int, Any]:
    """What Great Expectations itself answers through its public words; what raises is a result with an exception."""
    import great_expectations as gx

    asset = quiet_context().data_sources.add_pandas("rows").add_dataframe_asset("batch")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
    suite = gx.ExpectationSuite(name="suite", expectations=[domain_object(*each) for each in expectations])
    try:
        answer = batch.validate(suite, result_format=dict(RESULT_FORMAT))
    except Exception as error:  # before its metrics are computed GX lets through what an expectation raises
        if len(expectations) == 1:
            ((position, expectation),) = expectations
            said = " ".join(str(error).split()) or type(error).__name__
            return {position: unanswered(position, expectation, said)}
        found = [asked_plainly(rows, [each]) for each in expectations]
        return {position: result for each in found for position, result in each.items()}
    return {result.expectation_config.meta[POSITION]: result for result in answer.results}
