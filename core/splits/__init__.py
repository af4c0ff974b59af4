"""Splits: which rows a model learns from, which give its reference, and which judge it."""

from prefect_mlops.core.splits.by_group import ByGroup
from prefect_mlops.core.splits.by_key import ByKey
from prefect_mlops.core.splits.by_time import ByTime
from prefect_mlops.core.splits.keys import key_text
from prefect_mlops.core.splits.sets import Fold, RowSets

__all__ = ["ByGroup", "ByKey", "ByTime", "Fold", "RowSets", "key_text"]
