"""The gate that shakes the rows a little and looks whether the model still knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from prefect_mlops.core.errors import MlopsError
from prefect_mlops.core.evidence import Check, Evidence, Examination, Verdict
from prefect_mlops.core.gates.alarms import alarm_verdict
from prefect_mlops.core.gates.decision import holm
from prefect_mlops.core.gates.scored import Scored, gate_digest
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    from prefect_mlops.core.trainers.fitted import Predictions

__all__ = ["Robust"]

MOST_ROWS = 20_000
"""More rows find no loss that matters and these do not, and each way of shaking is one more prediction."""


class Robust(Frozen):
    """Small faults of the data cost little: noise on numbers, missing values, columns in another order.

    Each fault is put into the same judging rows, and the loss of the metric is tested in pairs: row by row the model
    against itself. An alarm is a loss proved larger than `max_loss`. The order of columns must change nothing at all.
    """

    kind: Literal["robust"] = "robust"
    family: Literal["alarm"] = "alarm"
    metric: Annotated[str, Field(description="The metric whose loss is tested.")]
    max_loss: Annotated[float, Field(ge=0, description="Loss, in the metric's unit, that is no alarm.")] = 0.02
    noise: Annotated[
        float, Field(ge=0, le=1, description="Normal noise on numbers, as a share of each column's deviation.")
    ] = 0.05
    missing: Annotated[float, Field(ge=0, lt=1, description="Share of each feature's values that is lost.")] = 0.05
    reordered: Annotated[bool, Field(description="Also give the columns in another order.")] = True

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric that must fit the problem."""
        return (self.metric,)

    def examine(self, scored: Scored) -> Examination:
        """Predict the shaken rows, and compare with the rows as they are."""
        import numpy as np

        from prefect_mlops.core.metrics import metric_named
        from prefect_mlops.core.metrics.measuring import rests_on_enough

        digest, spec = gate_digest(self), scored.spec
        rows = scored.rows.reset_index(drop=True)
        kept = np.arange(len(rows))
        if len(rows) > MOST_ROWS:
            kept = np.sort(np.random.default_rng(scored.seed).choice(len(rows), MOST_ROWS, replace=False))
        scored = scored._replace(
            rows=rows.iloc[kept],
            y=scored.y[kept],
            said={"candidate": _some(scored.said["candidate"], kept)},
            blocks=None if scored.blocks is None else scored.blocks[kept],
            weight=None if scored.weight is None else scored.weight[kept],
        )
        metric = metric_named(self.metric, spec.target.problem, spec.purpose.costs)
        if not rests_on_enough(metric, scored.y, scored.said["candidate"], scored.weight):
            few = f"{len(kept):,} rows are too few, in all or of a class, to tell a loss in {self.metric}."
            return Examination(gate=digest, reason=few)
        found = [self._under(scored, name, shaken) for name, shaken in self._shaken(scored)]
        tested = [check for check in found if check.p_value is not None]
        corrected = iter(holm([check.p_value for check in tested if check.p_value is not None]))
        checks = (
            check if check.p_value is None else check.model_copy(update={"adjusted_p": next(corrected)})
            for check in found
        )
        return Examination(gate=digest, checks=tuple(checks))

    def judge(self, evidence: Evidence) -> Verdict:
        """Fail where a small fault is proved to cost too much."""
        return alarm_verdict(self.kind, self.metric, evidence.examined(gate_digest(self)))

    def _shaken(self, scored: Scored) -> Iterator[tuple[str, pd.DataFrame]]:
        """The rows with one fault each, the same faults for the same seed."""
        import numpy as np

        rows, features = scored.rows, scored.spec.features
        chance = np.random.default_rng(scored.seed)
        if self.noise and features.numeric:
            numbers = rows[[*features.numeric]].astype(np.float64)
            spread = numbers.std().fillna(0.0).to_numpy()
            noisy = numbers + self.noise * spread * chance.standard_normal(numbers.shape)
            whole = rows.assign(**{name: noisy[name] for name in features.numeric})
            yield f"noise of {self.noise:g} standard deviations", whole
        if self.missing:
            names = [*features.names]
            lost = rows[names].astype(object).mask(chance.random((len(rows), len(names))) < self.missing)
            numbers = lost[[*features.numeric]].astype(np.float64)
            whole = rows.assign(**{name: lost[name] for name in features.category})
            whole = whole.assign(**{name: numbers[name] for name in features.numeric})
            yield f"{self.missing:.0%} of values missing", whole
        if self.reordered:
            yield "columns in another order", rows[rows.columns[::-1]]

    def _under(self, scored: Scored, name: str, shaken: pd.DataFrame) -> Check:
        import numpy as np
        from scipy import stats

        from prefect_mlops.core.metrics import compare, metric_named
        from prefect_mlops.core.metrics.encoding import encode_predictions
        from prefect_mlops.core.scans.maxt import tail_chance

        spec, intact = scored.spec, scored.said["candidate"]
        try:
            said = encode_predictions(scored.candidate.predict(shaken), scored.candidate.classes, scored.order)
        except (MlopsError, TypeError, ValueError) as error:
            # A model that cannot answer at all has lost everything.
            first = str(error).partition("\n")[0]
            reason = f"With {name} the model does not answer: {first}"
            return Check(name=name, metric=self.metric, rows=len(scored.y), p_value=0.0, reason=reason)
        changed = _change(intact, said)
        if name == "columns in another order":
            reason = f"With {name} {changed}."
            same = changed.startswith("nothing")
            return Check(name=name, rows=len(scored.y), p_value=1.0 if same else 0.0, reason=reason)
        metric = metric_named(self.metric, spec.target.problem, spec.purpose.costs)
        loss = compare(metric, scored.y, intact, said, scored.blocks, scored.weight)
        if not np.isfinite(loss.value):
            lost = f"{self.metric} has no value on these rows: scores are missing, or nobody says one of the classes."
            return Check(name=name, metric=self.metric, rows=len(scored.y), reason=lost)
        if loss.degrees_of_freedom < 1:
            return Check(name=name, metric=self.metric, rows=len(scored.y), reason="There is one day or group only.")
        beyond = loss.value - self.max_loss
        p_value = tail_chance(beyond, loss.standard_error, loss.degrees_of_freedom, loss.skewness)
        half = float(stats.t.ppf(0.95, loss.degrees_of_freedom)) * loss.standard_error
        reason = (
            f"With {name} {changed}, and {self.metric} is worse by {loss.value:.3g} "
            f"({self.max_loss:g} is no alarm, p = {p_value:.2g})."
        )
        return Check(
            name=name,
            metric=self.metric,
            value=loss.value,
            bound=self.max_loss,
            low=loss.value - half,
            high=loss.value + half,
            rows=len(scored.y),
            p_value=p_value,
            reason=reason,
        )


def _change(intact: Predictions, said: Predictions) -> str:
    """How much the predictions themselves have changed, in words."""
    import numpy as np

    if intact.probabilities is not None and said.probabilities is not None:
        share = float(np.mean(intact.labels != said.labels))
        moved = float(np.abs(intact.probabilities - said.probabilities).max(axis=1).mean())
        if not share and not moved:
            return "nothing changes"
        return f"{share:.1%} of labels change and probabilities move by {moved:.2g} on average"
    if np.array_equal(intact.labels, said.labels):
        return "nothing changes"
    if intact.labels.dtype.kind == "i":
        return f"{float(np.mean(intact.labels != said.labels)):.1%} of labels change"
    return f"predictions move by {float(np.abs(intact.labels - said.labels).mean()):.3g} on average"


def _some(predictions: Predictions, kept: np.ndarray) -> Predictions:
    told = predictions.probabilities
    return predictions._replace(
        labels=predictions.labels[kept], probabilities=None if told is None else told[kept], quantiles=None
    )
