"""What a model must be: the frozen `ModelSpec` that drives every flow, and the parts it is made of.

A spec is YAML in git. Its parts name their class by `kind`: a word for ours, `package.module:Class` for
anyone's. Unknown keys are refused. Nothing here says where things are (blocks) or when they run (deployments).
"""

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from prefect_mlops.core.approval import Approval
from prefect_mlops.core.gates import (
    AtLeast,
    AtMost,
    BetterThanBaseline,
    BetterThanChampion,
    Calibrated,
    FairAcross,
    FastEnough,
    Gate,
    HoldsOnSlices,
    NoLeakage,
    NotWorseThanChampion,
    Robust,
    SmallEnough,
)
from prefect_mlops.core.monitors import DriftMonitor, Monitor, PerformanceMonitor
from prefect_mlops.core.names import ModelName
from prefect_mlops.core.parts import Frozen, kind_of
from prefect_mlops.core.plugins import CustomPart, resolve_part
from prefect_mlops.core.rollout import RolloutPlan
from prefect_mlops.core.scoring import Scoring
from prefect_mlops.core.search.space import Search
from prefect_mlops.core.serving import Serving
from prefect_mlops.core.splits import ByGroup, ByKey, ByTime
from prefect_mlops.core.trainers import PartialTrainer, SklearnTrainer, Trainer
from prefect_mlops.core.validation import Action
from prefect_mlops.core.zones import require_zone

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Expectation", "ModelSpec", "Suite"]

Scalar = bool | int | float | str
Custom = Annotated[CustomPart, Tag("custom")]
by_kind = Discriminator(kind_of)

GatePart = Annotated[
    Annotated[AtLeast, Tag("at-least")]
    | Annotated[AtMost, Tag("at-most")]
    | Annotated[BetterThanChampion, Tag("better-than-champion")]
    | Annotated[NotWorseThanChampion, Tag("not-worse-than-champion")]
    | Annotated[BetterThanBaseline, Tag("better-than-baseline")]
    | Annotated[HoldsOnSlices, Tag("holds-on-slices")]
    | Annotated[FairAcross, Tag("fair-across")]
    | Annotated[Calibrated, Tag("calibrated")]
    | Annotated[Robust, Tag("robust")]
    | Annotated[NoLeakage, Tag("no-leakage")]
    | Annotated[FastEnough, Tag("fast-enough")]
    | Annotated[SmallEnough, Tag("small-enough")]
    | Custom,
    by_kind,
]
TrainerPart = Annotated[
    Annotated[SklearnTrainer, Tag("sklearn")] | Annotated[PartialTrainer, Tag("partial")] | Custom, by_kind
]
MonitorPart = Annotated[
    Annotated[PerformanceMonitor, Tag("performance")] | Annotated[DriftMonitor, Tag("drift")] | Custom, by_kind
]
SplitPart = Annotated[
    Annotated[ByTime, Tag("by-time")] | Annotated[ByKey, Tag("by-key")] | Annotated[ByGroup, Tag("by-group")], by_kind
]


def _digest(part: Frozen, leave_out: set[str] | None = None) -> str:
    canonical = json.dumps(part.model_dump(mode="json", exclude=leave_out), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class Costs(Frozen):
    """What each kind of error costs, in one unit of the business metric."""

    false_positive: Annotated[float, Field(ge=0)] = 1.0
    false_negative: Annotated[float, Field(ge=0)] = 1.0


class Purpose(Frozen):
    """Why the model exists, for the people who must decide about it."""

    decision: Annotated[str, Field(min_length=1, description="The decision that the predictions serve.")]
    business_metric: Annotated[str, Field(min_length=1, description="What improves when the model is right.")]
    owner: Annotated[str, Field(min_length=1, description="Who answers for it, a team or a person.")]
    costs: Costs = Costs()


class Data(Frozen):
    """What a row is, and when its label is known."""

    key: Annotated[tuple[str, ...], Field(min_length=1, description="Columns that name a row, for joining labels.")]
    time: Annotated[str | None, Field(description="The column that says when a row happened.")] = None
    timezone: Annotated[
        Annotated[str, AfterValidator(require_zone)] | None,
        Field(description="Zone of times that come without one, such as Europe/Berlin; they are refused if absent."),
    ] = None
    labels: Annotated[
        Literal["with-rows", "later"], Field(description="Whether labels come in the rows, or later by key.")
    ] = "with-rows"
    weight: Annotated[
        str | None, Field(description="Column that says what a row counts when models are judged; all alike if absent.")
    ] = None
    personal: Annotated[tuple[str, ...], Field(description="Columns never printed anywhere.")] = ()
    later: Annotated[
        tuple[str, ...],
        Field(description="Columns known only after a prediction is made; none of them may be a feature."),
    ] = ()
    ahead_days: Annotated[
        float, Field(ge=0, description="How far after its batch a row's time may lie; rows beyond are quarantined.")
    ] = 0.0
    recent_days: Annotated[int, Field(gt=0, description="Length of the window that monitors look at.")] = 30
    history_days: Annotated[
        int | None, Field(gt=0, description="Length of the window that a training learns from; all when absent.")
    ] = None


class Target(Frozen):
    """What is predicted."""

    column: Annotated[str, Field(min_length=1)]
    problem: Literal["binary", "multiclass", "regression"]
    positive: Annotated[Scalar | None, Field(description="The value that a binary model's probability is of.")] = None


class Features(Frozen):
    """The columns that the model may look at, by role."""

    numeric: tuple[str, ...] = ()
    category: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All features, numeric ones first: the order in which a pipeline takes them."""
        return self.numeric + self.category


class Expectation(Frozen):
    """One Great Expectations expectation, as GX 1.x writes it."""

    type: Annotated[str, Field(pattern=r"^expect_[a-z_0-9]+$", description="GX's name of it.")]
    kwargs: Annotated[dict[str, Any], Field(default_factory=dict, description="GX's arguments.")]
    meta: Annotated[
        dict[str, Any],
        Field(default_factory=dict, description="`action` says what a failure does: block, quarantine or warn."),
    ]
    severity: Annotated[
        Literal["critical", "warning", "info"], Field(description="GX's word; without an action, critical blocks.")
    ] = "critical"

    @field_validator("meta")
    @classmethod
    def _knows_the_action(cls, meta: dict[str, Any]) -> dict[str, Any]:
        if meta.get("action", "block") not in get_args(Action):
            raise ValueError(f"action must be {', '.join(get_args(Action))}, found {meta['action']!r}")
        return meta


class Suite(Frozen):
    """What rows must look like to be accepted."""

    stored: Annotated[
        str | None, Field(description="A suite of the suite store, or `package.module:suite`, instead of expectations.")
    ] = None
    expectations: tuple[Expectation, ...] = ()
    data_docs: Annotated[bool, Field(description="Keep Great Expectations' own page of every validation too.")] = False

    @property
    def digest(self) -> str:
        """SHA-256 over the suite in canonical JSON, without `data_docs`: pages change no verdict."""
        return _digest(self, leave_out={"data_docs"})


class Retraining(Frozen):
    """When a degraded model may be trained again."""

    frozen: Annotated[bool, Field(description="Never retrain; announcements go on.")] = False
    max_per_month: Annotated[int, Field(ge=0, description="Trainings in one calendar month of `as_of`.")] = 4
    min_fresh_labels: Annotated[int, Field(ge=0, description="Labels newer than the champion's training.")] = 500
    cool_down_seconds: Annotated[int, Field(ge=1, description="One reaction to many announcements within it.")] = 3600


class ModelSpec(Frozen):
    """What one model must be. Its hash is part of every version's lineage."""

    spec_version: Literal[1]
    name: Annotated[ModelName, Field(description="Lower case, digits and '-', 2 to 24 characters.")]
    purpose: Purpose
    data: Data
    target: Target
    features: Features
    split: SplitPart
    suite: Suite = Suite()
    trainer: TrainerPart
    search: Search | None = None
    gates: Annotated[tuple[GatePart, ...], Field(min_length=1)]
    alarm_level: Annotated[
        float, Field(gt=0, lt=0.5, description="Chance that any alarm gate fails a candidate with which all is fine.")
    ] = 0.05
    serving: Serving = Serving()
    scoring: Scoring = Scoring()
    approval: Annotated[
        Approval | None, Field(description="A person decides before a version sees traffic; nobody when absent.")
    ] = None
    rollout: RolloutPlan = RolloutPlan()
    monitors: tuple[MonitorPart, ...] = ()
    retraining: Retraining = Retraining()
    report: Annotated[
        bool, Field(description="Curves, importances and simple models beside every training; off where seconds count.")
    ] = True
    seed: Annotated[int, Field(ge=0, description="Every chance in training comes from it.")] = 0

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        names = self.features.names
        if not names:
            raise ValueError("features: name at least one column under numeric or category")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"features: {', '.join(twice)} stands there twice")
        if self.target.column in names:
            raise ValueError(f"features: the target {self.target.column!r} cannot be a feature")
        late = sorted({*names} & {*self.data.later})
        if late:
            raise ValueError(f"features: {', '.join(late)} is known only after a prediction is made (data.later)")
        named = {*self.features.category, self.target.column, getattr(self.split, "stratify", None)}
        told = sorted(name for name in self.data.personal if name in named)
        if told:
            raise ValueError(f"data: {', '.join(told)} cannot be personal, the model and its reports would name values")
        if isinstance(self.split, ByTime) and self.data.time is None:
            raise ValueError("split: by-time needs data.time; name the time column or use kind: by-key")
        if self.suite.stored is not None and self.suite.expectations:
            raise ValueError("suite: give `stored` or `expectations`, not both")
        if self.target.problem == "binary" and self.target.positive is None:
            raise ValueError("target: a binary problem needs `positive`, the value whose probability is predicted")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        rows: "pd.DataFrame",
        target: str,
        *,
        name: str = "my-model",
        time: str | None = None,
        key: tuple[str, ...] = (),
        later: tuple[str, ...] = (),
    ) -> "ModelSpec":
        """What stands in a notebook as a spec: its columns surveyed, its estimator by import path and parameters.

        Write it with `core.specwriting.write_spec`, and review it.

        Args:
            estimator: Any scikit-learn estimator or pipeline, fitted or not.
            rows: The rows with their target.
            target: The column to predict.
            name: The model's name.
            time: The column that says when a row happened, with a time zone.
            key: The columns that name a row; looked for when empty.
            later: Columns known only after a prediction is made.

        Raises:
            PartError: Something in the estimator, such as a lambda, cannot be written down.
            DataError: The rows cannot be learned from.
            TrainingError: The estimator does not fit the problem.
        """
        from prefect_mlops.core.survey.notebook import spec_from_estimator

        return spec_from_estimator(estimator, rows, target, name=name, time=time, key=key, later=later)

    @property
    def digest(self) -> str:
        """SHA-256 over the whole spec in canonical JSON, defaults included: equal meaning, equal digest."""
        return _digest(self)

    @property
    def beside(self) -> tuple[str, ...]:
        """Columns that are looked at beside key, time, features and target: to split, weigh and cut rows."""
        weights = (self.data.weight, getattr(self.trainer, "weight", None))
        cut = (name for gate in self.resolved_gates() for name in getattr(gate, "looks_at", ()))
        named = (*self.split.columns, *(name for name in weights if name is not None), *cut)
        return tuple(name for name in dict.fromkeys(named) if name != self.target.column)

    def resolved_gates(self) -> tuple[Gate, ...]:
        """The gates, with those named by import path made.

        Raises:
            PartError: A named class cannot be used.
        """
        return tuple(resolve_part(gate, Gate) for gate in self.gates)  # type: ignore[type-abstract]

    def resolved_monitors(self) -> tuple[Monitor, ...]:
        """The monitors, with those named by import path made.

        Raises:
            PartError: A named class cannot be used.
        """
        return tuple(resolve_part(monitor, Monitor) for monitor in self.monitors)  # type: ignore[type-abstract]

    def resolved_trainer(self) -> Trainer:
        """The trainer, made where it is named by import path.

        Raises:
            PartError: The named class cannot be used.
        """
        return resolve_part(self.trainer, Trainer)  # type: ignore[type-abstract]
