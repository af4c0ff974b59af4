"""What things are called: models, slots, artifacts, tables and limits."""

import re
from typing import Annotated, Literal

from pydantic import StringConstraints

from prefect_mlops.core.errors import DataError

__all__ = [
    "MODEL_PATTERN",
    "ModelName",
    "Slot",
    "artifact_key",
    "holds_labels",
    "logged_name",
    "other_slot",
    "require_model_name",
    "write_limit",
]

MODEL_PATTERN = r"^[a-z][a-z0-9-]{0,22}[a-z0-9]$"
"""Accepted by Prefect artifact keys, bento tags and AWS target groups alike."""

ModelName = Annotated[str, StringConstraints(pattern=MODEL_PATTERN)]
Slot = Literal["a", "b", "c", "d"]
"""A champion and its successor take turns in `a` and `b`; `c` and `d` hold further arms of an A/B test only."""


def require_model_name(name: str) -> None:
    """Refuse what cannot be a model's name.

    Raises:
        DataError: It cannot; a near name is told.
    """
    if re.fullmatch(MODEL_PATTERN, name):
        return
    near = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-0123456789")[:24].strip("-")
    hint = f", such as {near!r}" if re.fullmatch(MODEL_PATTERN, near) else ""
    cure = f"Use 2 to 24 lower-case letters, digits and '-', beginning with a letter{hint}"
    raise DataError(f"{name!r} is not a model's name", cure)


def artifact_key(model: str, document: str) -> str:
    """The Prefect artifact key of one of a model's documents.

    Raises:
        ValueError: The key would hold a character that Prefect refuses.

    Examples:
        >>> artifact_key("flights-late", "decision")
        'flights-late-decision'
    """
    key = f"{model}-{document}"
    if not re.fullmatch(r"[a-z0-9-]+", key):
        raise ValueError(f"{key!r} holds characters that artifact keys refuse; use a-z, 0-9 and '-'.")
    return key


def logged_name(metric: str) -> str:
    """What MLflow calls a metric: it refuses an `@`.

    Examples:
        >>> logged_name("f1@0.3"), logged_name("roc_auc")
        ('f1_at_0.3', 'roc_auc')
    """
    return metric.replace("@", "_at_")


def holds_labels(batch: str) -> bool:
    """Whether a batch holds labels that came later: its file name says so, whatever folder it lies in.

    Examples:
        >>> holds_labels("flights-late/labels-2013-04.parquet"), holds_labels("labels-old/rows.csv")
        (True, False)
    """
    return batch.rpartition("/")[2].startswith("labels-")


def other_slot(slot: Slot) -> Slot:
    """The slot that a model's next version goes to; a champion stands in `a` or `b`.

    Examples:
        >>> other_slot("a")
        'b'
    """
    return "b" if slot == "a" else "a"


def write_limit(model: str) -> str:
    """The global concurrency limit that lets one run at a time change a model.

    Examples:
        >>> write_limit("flights-late")
        'flights-late-write'
    """
    return f"{model}-write"
