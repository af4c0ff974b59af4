"""What a served model promises: the rows it takes, the answers it gives, and what it takes to load it."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from prefect_mlops.core.names import ModelName
from prefect_mlops.core.parts import Frozen
from prefect_mlops.core.spec import ModelSpec

__all__ = ["Contract", "ServedField", "contract_of"]

Label = bool | int | str


class ServedField(Frozen):
    """One feature of a request's row.

    Attributes:
        name: The column's name.
        type: `number`, or `text` for a category, which may travel as text, number or boolean.
        nullable: Whether null is an answer; it is imputed as it was in training.
    """

    name: str
    type: Literal["number", "text"]
    nullable: bool = True


class Contract(Frozen):
    """What lies beside a served model as `contract.json`.

    Attributes:
        model: The model's name.
        version: Its registry version.
        problem: What kind of answer it gives.
        positive: The class that a binary model's score is of.
        classes: The labels it can say, in the order of its probabilities; empty for regression.
        fields: The features, in the order in which the pipeline takes them.
        key: Columns that name a row; a request may carry them for the prediction log.
        time: The column that says when a row happened, likewise.
        personal: Columns whose values the prediction log may not hold as they are.
        personal_log: Whether it leaves them out, or holds stand-ins by which rows can be matched.
        trusted: Types that the model file may hold beyond those that skops itself trusts.
        runtime: What reads the model file.
    """

    model: ModelName
    version: int
    problem: Literal["binary", "multiclass", "regression"]
    positive: Label | float | None = None
    classes: tuple[Label, ...] = ()
    fields: Annotated[tuple[ServedField, ...], Field(min_length=1)]
    key: tuple[str, ...]
    time: str | None = None
    personal: tuple[str, ...] = ()
    personal_log: Literal["left-out", "hashed"] = "left-out"
    trusted: tuple[str, ...] = ()
    runtime: Literal["skops"] = "skops"


def contract_of(
    spec: ModelSpec, version: int, features: Sequence[str], classes: Sequence[Label], trusted: Sequence[str]
) -> Contract:
    """The contract of one version.

    Args:
        spec: Says which features are categories, and names key and time.
        version: The registry version.
        features: The columns the pipeline takes, in order.
        classes: The labels it can say, in the order of its probabilities.
        trusted: Types that loading it must trust.
    """
    return Contract(
        model=spec.name,
        version=version,
        problem=spec.target.problem,
        positive=spec.target.positive,
        classes=tuple(classes),
        fields=tuple(
            ServedField(name=name, type="text" if name in spec.features.category else "number") for name in features
        ),
        key=spec.data.key,
        time=spec.data.time,
        personal=spec.data.personal,
        personal_log=spec.serving.personal,
        trusted=tuple(trusted),
    )
