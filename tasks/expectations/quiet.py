"""Great Expectations without telemetry, progress bars and files."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["quiet_context", "quiet_gx"]


def quiet_gx() -> None:
    """Say before its import that it may report to nobody; versions that still had telemetry read this then."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"


def quiet_context() -> Any:
    """A context that lives in memory alone; GX's own default one leaves a temporary folder behind each time."""
    quiet_gx()
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    held = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False))
    context = gx.get_context(mode="ephemeral", project_config=held)
    context.variables.progress_bars = {"globally": False}
    return context
