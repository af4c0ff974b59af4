"""Markdown that people read in the Prefect UI: which windows were scored, and how a candidate does beside."""

import math
from collections.abc import Sequence

from prefect_mlops.core.documents.markdown import plain, table
from prefect_mlops.core.scoring.beside import LOSS, Beside
from prefect_mlops.core.scoring.plan import Window
from prefect_mlops.core.spec import ModelSpec

__all__ = ["scores_report"]

SHOWN = 100
"""Windows that are listed; a year of days is read by nobody."""


def scores_report(
    spec: ModelSpec, said: str, written: Sequence[tuple[str, int, Window]], beside: Beside | None = None
) -> str:
    """What a run has scored.

    Args:
        spec: The model's spec.
        said: What came of it, in a sentence.
        written: Arm and version with each window.
        beside: How a candidate does beside the champion.
    """
    rows = [
        (window.name, arm, f"{version}", f"{window.rows:,}", window.why(version)) for arm, version, window in written
    ]
    more = f"\n\nThe newest {SHOWN} of {len(rows):,} windows.\n" if len(rows) > SHOWN else ""
    windows = table(["window", "arm", "version", "rows", "why"], rows[-SHOWN:]) if rows else ""
    return f"# {spec.name}: scores\n\n{plain(said)}\n\n{_beside(beside)}{windows}{more}\n"


def _beside(found: Beside | None) -> str:
    """The candidate's figures, with what the tests say."""
    if found is None:
        return ""
    needed = "none can tell" if found.rows_needed is None else f"{found.rows_needed:,}"
    rows = [
        ("rows that both answered", f"{found.rows:,}"),
        ("answered otherwise", f"{found.disagreed:,} ({found.disagreed / max(found.rows, 1):.2%})"),
        ("E that they differ above the limit", f"{_e(found.log_differs)}"),
        ("labelled", f"{found.labelled:,}"),
        (f"right by version {found.champion} alone", f"{found.champion_alone:,}"),
        (f"right by version {found.version} alone", f"{found.candidate_alone:,}"),
        ("E that the candidate is less often right", f"{_e(found.log_worse)}"),
        (f"labelled rows that show a loss of {LOSS:.0%}, at this discordance", needed),
    ]
    head = f"## Version {found.version} beside version {found.champion}: {found.outcome}"
    return f"{head}\n\n{plain(found.reason)}\n\n{table(['', ''], rows)}\n\n"


def _e(log: float) -> str:
    return f"{math.exp(log):,.3g}" if log < 14 else f"e^{log:.0f}"
