"""The gate that asks whether a probability means what it says."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from prefect_mlops.core.evidence import Check, Evidence, Examination, Verdict
from prefect_mlops.core.gates.alarms import alarm_verdict
from prefect_mlops.core.gates.decision import holm
from prefect_mlops.core.gates.scored import gate_digest
from prefect_mlops.core.parts import Frozen

if TYPE_CHECKING:
    import numpy as np

    from prefect_mlops.core.gates.scored import Scored
    from prefect_mlops.core.metrics.calibration import CalibrationFound

__all__ = ["Calibrated"]


class Calibrated(Frozen):
    """Of the rows with a probability of 0.3, three in ten are positive: no gap is proved that matters.

    The test finds any gap once there are rows enough, and every model has one. So what is tested is not the
    probabilities themselves but the nearest to what was seen that are off by `max_error`: an alarm is a gap proved
    larger than that. A multi-class model is asked class by class, corrected by Holm.
    """

    kind: Literal["calibrated"] = "calibrated"
    family: Literal["alarm"] = "alarm"
    max_error: Annotated[
        float, Field(ge=0, lt=1, description="Root mean squared gap between probability and share that is no alarm.")
    ] = 0.02

    @property
    def metrics(self) -> tuple[str, ...]:
        """None: it looks at probabilities itself."""
        return ()

    def examine(self, scored: "Scored") -> Examination:
        """Test the candidate's probabilities, class by class."""
        digest, told = gate_digest(self), scored.said["candidate"].probabilities
        if not scored.order or told is None:
            return Examination(gate=digest, reason="The model says no probabilities that could be calibrated.")
        places = [1] if len(scored.order) == 2 else range(len(scored.order))
        found = [self._of_class(scored, place, told[:, place]) for place in places]
        tested = [check for check in found if check.p_value is not None]
        corrected = iter(holm([check.p_value for check in tested if check.p_value is not None]))
        checks = tuple(
            check if check.p_value is None else check.model_copy(update={"adjusted_p": next(corrected)})
            for check in found
        )
        return Examination(gate=digest, checks=checks)

    def judge(self, evidence: Evidence) -> Verdict:
        """Fail where a gap is proved that matters."""
        return alarm_verdict(self.kind, "calibration_error", evidence.examined(gate_digest(self)))

    def _of_class(self, scored: "Scored", place: int, told: "np.ndarray") -> Check:
        import numpy as np

        from prefect_mlops.core.metrics.calibration import calibration_test

        positive, name = (scored.y == place).astype(np.int64), f"{scored.spec.target.column} = {scored.order[place]}"
        whole = np.isfinite(told)
        if not whole.all():
            lost = f"{int((~whole).sum()):,} of {len(told):,} probabilities are missing."
            return Check(name=name, rows=len(told), reason=lost)
        found = calibration_test(positive, told, scored.blocks, scored.weight, scored.seed)
        if not np.isfinite(found.p_value):
            few = "Too few rows of both classes, or too few days or groups, to test the probabilities."
            return Check(name=name, rows=len(told), reason=few)
        p_value = 1.0 if found.error <= self.max_error else found.p_value
        if p_value < 1.0 and self.max_error > 0:
            nearest = _nearest(told, found, self.max_error, scored.weight)
            tolerated = calibration_test(positive, nearest, scored.blocks, scored.weight, scored.seed).p_value
            p_value = max(p_value, tolerated) if np.isfinite(tolerated) else 1.0
        reason = (
            f"Probabilities of {name} are off by {found.error:.3g} (root mean square, {self.max_error:g} is no alarm), "
            f"p = {p_value:.2g} over {len(told):,} rows."
        )
        return Check(
            name=name,
            metric="calibration_error",
            value=found.error,
            bound=self.max_error,
            rows=len(told),
            p_value=p_value,
            reason=reason,
        )


def _nearest(
    told: "np.ndarray", found: "CalibrationFound", max_error: float, weight: "np.ndarray | None"
) -> "np.ndarray":
    """The probabilities moved towards the shares that were seen, by `max_error` in root mean square over the bins."""
    import numpy as np

    gaps = np.array([one.share - one.probability for one in found.bins])
    rows = np.array([one.rows for one in found.bins])
    far = float(np.sqrt(np.average(gaps**2, weights=rows)))
    moved = np.zeros(len(told))
    kept = np.arange(len(told)) if weight is None else np.flatnonzero(weight > 0)
    # Bins hold neighbours, from the lowest probabilities to the highest.
    moved[kept[np.argsort(told[kept], kind="stable")]] = np.repeat(gaps * min(1.0, max_error / far), rows)
    # A probability of 0 or 1 that was not said would be refuted by a single row.
    return np.clip(told + moved, np.minimum(told, 1e-3), np.maximum(told, 1.0 - 1e-3))
