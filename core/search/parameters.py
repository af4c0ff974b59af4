"""How parameters that were searched for get into a trainer, as deep as its estimator holds others."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from prefect_mlops.core.errors import PartError, SpecError, SpecProblem
from prefect_mlops.core.plugins import CustomPart, import_object

if TYPE_CHECKING:
    from pydantic import BaseModel

    from prefect_mlops.core.spec import ModelSpec

__all__ = ["refuse_unknown", "with_parameters"]


def with_parameters(trainer: BaseModel, chosen: Mapping[str, Any]) -> Any:
    """A copy of a trainer with some of its parameters changed.

    Args:
        trainer: One with `parameters`, as ours have, or any other, whose own keys they are then.
        chosen: New values by name. A parameter of a step or of an estimator inside is named `forest__max_depth`.

    Examples:
        >>> from prefect_mlops.core.trainers import SklearnTrainer
        >>> forest = {"estimator": "sklearn.ensemble.RandomForestClassifier"}
        >>> pipeline = SklearnTrainer(estimator="sklearn.pipeline.Pipeline", parameters={"steps": [["forest", forest]]})
        >>> with_parameters(pipeline, {"forest__max_depth": 3}).parameters["steps"][0][1]["parameters"]
        {'max_depth': 3}
    """
    if isinstance(trainer, CustomPart) or not hasattr(trainer, "parameters"):
        return type(trainer).model_validate(trainer.model_dump() | dict(chosen))
    parameters = dict(trainer.parameters)
    for name, value in chosen.items():
        parameters = _changed(parameters, name, value)
    return trainer.model_copy(update={"parameters": parameters})


def refuse_unknown(spec: ModelSpec) -> None:
    """Look whether a trainer has all parameters that the spec's space names, and its problem the metric.

    Raises:
        SpecError: It lacks some; the near names are told.
        PartError: The trainer's class cannot be used, or the metric does not fit the problem.
    """
    from prefect_mlops.core.metrics import metric_named

    if spec.search is None:
        return
    metric_named(spec.search.metric, spec.target.problem, spec.purpose.costs)
    problems = [
        SpecProblem(f"search.space.{name}", f"is not a parameter of {owner}.", hint)
        for name in spec.search.space
        for owner, hint in _unknown(spec, name)
    ]
    if problems:
        raise SpecError(spec.name, tuple(problems))


def _unknown(spec: ModelSpec, name: str) -> Iterator[tuple[str, str]]:
    """Whose parameter a name is not, with what to do; nothing where it is one."""
    if isinstance(spec.trainer, CustomPart) or not hasattr(spec.trainer, "parameters"):
        maker = import_object(spec.trainer.kind) if isinstance(spec.trainer, CustomPart) else type(spec.trainer)
        path, last = spec.trainer.kind, name
        inner: Mapping[str, Any] = {}
        known = getattr(maker, "model_fields", None) or inspect.signature(maker).parameters
    else:
        path, inner, last = _owner(spec.trainer.estimator, spec.trainer.parameters, name)
        known = _signature(path)
    if last in known or any(p.kind is p.VAR_KEYWORD for p in known.values() if isinstance(p, inspect.Parameter)):
        return
    words = [*(word for word in known if word != "kind"), *(f"{part}__..." for part in inner)]
    near = get_close_matches(last, words, n=1, cutoff=0.5)
    yield path, f"Did you mean {near[0]}?" if near else f"It has {', '.join(words) or 'none'}."


def _signature(path: str) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(import_object(path)).parameters
    except (TypeError, ValueError) as error:
        raise PartError(path, "it is no estimator, or does not tell its parameters") from error


def _owner(path: str, parameters: Mapping[str, Any], name: str) -> tuple[str, Mapping[str, Any], str]:
    """The import path of the estimator that a name leads to, what it holds, and the last part of the name."""
    inside = dict(_inside(parameters))
    for part, written in inside.items():
        if name.startswith(f"{part}__"):
            return _owner(written["estimator"], written.get("parameters") or {}, name.removeprefix(f"{part}__"))
    return path, inside, name


def _inside(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The estimators written in some parameters, by the names that scikit-learn gives them."""
    for name, value in parameters.items():
        if _is_written(value):
            yield name, value
        elif isinstance(value, list | tuple):
            for step in value:
                if isinstance(step, list | tuple) and len(step) >= 2 and _is_written(step[1]):
                    yield str(step[0]), step[1]


def _is_written(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("estimator"), str)


def _changed(parameters: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    for part, written in _inside(parameters):
        if name.startswith(f"{part}__"):
            inner = _changed(written.get("parameters") or {}, name.removeprefix(f"{part}__"), value)
            return {key: _replaced(held, written, {**written, "parameters": inner}) for key, held in parameters.items()}
    return {**parameters, name: value}


def _replaced(held: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> Any:
    """The same value with one written estimator, told by identity, replaced by another."""
    if held is old:
        return new
    return [_replaced(item, old, new) for item in held] if isinstance(held, list | tuple) else held
