"""Counting: what Great Expectations wants to know of a batch, found by Polars without loading it whole."""

from prefect_mlops.core.counting.metrics import Wanted
from prefect_mlops.core.counting.passes import Counted, count, unexpected_rows
from prefect_mlops.core.counting.tables import Table, open_table

__all__ = ["Counted", "Table", "Wanted", "count", "open_table", "unexpected_rows"]
