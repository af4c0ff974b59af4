"""Great Expectations as a judge: suites made ready once, batches counted by Polars, the rest asked plainly."""

from prefect_mlops.tasks.expectations.compiled import Compiled, compile_suite
from prefect_mlops.tasks.expectations.failing import FailingRows, failing_rows
from prefect_mlops.tasks.expectations.judging import Judged, judge
from prefect_mlops.tasks.expectations.reading import read_result

__all__ = ["Compiled", "FailingRows", "Judged", "compile_suite", "failing_rows", "judge", "read_result"]
