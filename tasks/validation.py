"""Ask Great Expectations what it thinks of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from prefect import task

from prefect_mlops.core.spec import Suite
from prefect_mlops.core.validation import ValidationReport

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from prefect_mlops.blocks import SuiteStore
    from prefect_mlops.core.spec import ModelSpec
    from prefect_mlops.tasks.expectations import FailingRows

    Rows: TypeAlias = pd.DataFrame | pl.DataFrame | pl.LazyFrame | pa.Table | Path | str

__all__ = ["find_failing_rows", "load_suite", "render_data_docs", "validate_data"]


@task
def load_suite(suites: SuiteStore, spec: ModelSpec) -> Suite:
    """The suite that a spec asks for: its own expectations, one of the suite store by name, or one by import path.

    Raises:
        NotFound: The store has no suite of that name.
        PartError: The import path leads nowhere.
        SpecError: What is there is no suite.
    """
    from prefect_mlops.core.suites.written import suite_from

    stored = spec.suite.stored
    if not stored:
        return spec.suite
    found = suite_from(stored) if ":" in stored else suites.get(stored)
    return found.model_copy(update={"data_docs": spec.suite.data_docs or found.data_docs})


@task
def validate_data(rows: Rows, suite: Suite, personal: tuple[str, ...] = ()) -> ValidationReport:
    """Validate a batch with Great Expectations, without telemetry and without files.

    Polars counts, in one streaming pass and without loading the batch whole, and Great Expectations judges the counts.
    What could not be proved to equal plain Great Expectations on pandas is asked plainly, on just its columns.

    Args:
        rows: The batch, at least one row: a DataFrame of pandas or Polars, a LazyFrame (such as
            `pl.scan_delta(path, version=3)`), an Arrow table, or the path of a Parquet file, of a folder of them, or
            of a Delta table.
        suite: What it must look like; an empty suite finds nothing.
        personal: Columns whose values are never quoted in the report.

    Returns:
        One result an expectation, in the suite's order. An expectation that names a column that is not there,
        or that raises inside GX, is a failure with an error, never a pass.

    Raises:
        DataError: The batch has no rows, or cannot be read.
        SpecError: GX does not know an expectation, or refuses its arguments.
    """
    from prefect_mlops.core.counting import open_table
    from prefect_mlops.tasks.expectations import compile_suite, judge, read_result

    compiled = compile_suite(suite)
    judged = judge(open_table(rows), compiled, personal)
    pairs = zip(suite.expectations, judged.results, strict=True)
    results = tuple(read_result(expectation, result, personal) for expectation, result in pairs)
    return ValidationReport(rows=judged.rows, suite_digest=suite.digest, results=results)


def find_failing_rows(rows: Rows, suite: Suite, report: ValidationReport) -> tuple[FailingRows, ...]:
    """The rows behind every failure whose action is `quarantine`.

    Args:
        rows: The batch that the report is about.
        suite: The suite that it was held against.
        report: What `validate_data` found.

    Returns:
        One entry a failed expectation that counts rows and raised nothing, in the report's order. The positions are
        GX's own unexpected index list: nulls are not unexpected, and of rows that are not unique every copy is.
    """
    from prefect_mlops.core.counting import open_table
    from prefect_mlops.tasks.expectations import failing_rows

    return failing_rows(open_table(rows), suite, report)


@task
def render_data_docs(rows: Rows, suite: Suite, personal: tuple[str, ...] = ()) -> str:
    """Great Expectations' own page about a batch, as one HTML document that is written nowhere.

    Args:
        rows: The batch, as for `validate_data`.
        suite: What it must look like.
        personal: Columns of which neither values nor what was observed are shown.

    Raises:
        DataError: The batch has no rows, or cannot be read.
        SpecError: GX does not know an expectation, or refuses its arguments.
    """
    from prefect_mlops.core.counting import open_table
    from prefect_mlops.tasks.expectations import compile_suite, judge
    from prefect_mlops.tasks.expectations.docs import render_page

    return render_page(judge(open_table(rows), compile_suite(suite), personal), suite, personal)
