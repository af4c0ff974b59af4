"""Great Expectations without telemetry, progress bars and files."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["quiet_context", "quiet_gx"]


def quiet_gx() -> None:
    """Say before its import that it may report to nobody; versions that still had telemetry read this then."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"


def quiet_context() -> Any:
    """A context that lives in memory alone."""
    quiet_gx()
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context
