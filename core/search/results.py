"""What a search found: its trials, the parameters chosen, and how good they are, naively and honestly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict, Field, JsonValue

from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import pandas as pd

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["Estimate", "SearchResult", "TrialRow"]


class Estimate(Frozen):
    """A value with its interval.

    Attributes:
        value: In the metric's own unit.
        low: Lower end; NaN where the rows are too few to tell.
        high: Upper end, likewise.
        level: The share of intervals that hold the truth.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


class TrialRow(Frozen):
    """One trial.

    Attributes:
        number: Its number in the study.
        state: `pruned` where it was given up after a fold.
        value: The metric over all folds; None where there is none.
        standard_error: Of the value.
        seconds: Wall seconds that it took.
        parameters: What it tried.
        reason: Why it failed; empty otherwise.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    value: float | None = None
    standard_error: float | None = None
    seconds: float = 0.0
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    reason: str = ""


class SearchResult(Frozen):
    """What a search found.

    Attributes:
        study: Its name in the storage; the same spec and rows always give the same.
        metric: What was made best.
        rows: Rows that were predicted out of fold.
        trials: One entry a trial, by number.
        chosen: The number of the trial whose parameters are taken.
        best: The number of the trial with the best value; another one where a simpler model is as good.
        naive: The chosen trial's value as it stands, too good because it was chosen for it.
        corrected: What the same choice is worth on rows that did not choose.
    """

    study: str
    metric: str
    rows: int
    trials: tuple[TrialRow, ...]
    chosen: int
    best: int
    naive: Estimate
    corrected: Estimate

    @property
    def parameters(self) -> dict[str, JsonValue]:
        """The parameters that were chosen."""
        return next(trial.parameters for trial in self.trials if trial.number == self.chosen)

    @property
    def summary(self) -> str:
        """One English sentence."""
        tried = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.parameters.items()
        )
        counts = {state: sum(trial.state == state for trial in self.trials) for state in ("pruned", "failed")}
        aside = " and ".join(f"{count} {state}" for state, count in counts.items() if count)
        simpler = f"; it is simpler than trial {self.best} and within one standard error" * (self.chosen != self.best)
        return (
            f"Of {len(self.trials)} trials{f' ({aside})' if aside else ''} number {self.chosen} was chosen ({tried})"
            f"{simpler}: {self.metric} {self.corrected}, corrected for having been chosen; naively it is "
            f"{self.naive.value:.4g}."
        )

    def applied(self, spec: ModelSpec) -> ModelSpec:
        """The spec whose trainer has the chosen parameters, to fit it once more on all training rows."""
        from prefect_mlops.core.search.parameters import with_parameters

        return spec.model_copy(update={"trainer": with_parameters(spec.trainer, self.parameters)})

    def table(self) -> pd.DataFrame:
        """One row a trial, with a column for each parameter."""
        import pandas as pd

        plain = [trial.model_dump(exclude={"parameters"}) | trial.parameters for trial in self.trials]
        return pd.DataFrame(plain)
