"""Estimators written down: the import path and the parameters from which another process makes them again."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any

from prefect_mlops.core.errors import PartError
from prefect_mlops.core.plugins import import_object
from prefect_mlops.core.trainers.making import local_parts, made, names_a_step

__all__ = ["same_parameters", "write_down"]

RESERVED = ({"estimator"}, {"estimator", "parameters"}, {"object"}, {"tuple"}, {"pairs"})


def write_down(estimator: Any) -> dict[str, Any]:
    """An estimator as a spec's trainer names it, only with those parameters that are not its defaults.

    What it has learned is not part of it: the same recipe is fitted anew in every training.

    Args:
        estimator: Any scikit-learn estimator or pipeline, fitted or not, or LightGBM's.

    Returns:
        `{estimator: path}` with `parameters` where there are any, of values that YAML and JSON can hold; `made` reads
        it back.

    Raises:
        PartError: Something in it cannot be written down, told by name with the cure.

    Examples:
        >>> from sklearn.linear_model import LogisticRegression
        >>> write_down(LogisticRegression(C=0.1))
        {'estimator': 'sklearn.linear_model.LogisticRegression', 'parameters': {'C': 0.1}}
    """
    path = _path(type(estimator))
    if isinstance(estimator, type):
        raise PartError(_path(estimator), "it is a class; write down an instance of it, as in LogisticRegression()")
    if not hasattr(estimator, "get_params") or not hasattr(estimator, "fit"):
        raise PartError(path, "it is no estimator: it has no fit and get_params")
    for name in local_parts(estimator):
        reason = (
            f"{name!r} is a lambda, or stands in a function, notebook or script, where no other process can import it; "
            "put it into a module of its own, such as acme/features.py, and import it from there"
        )
        raise PartError(path, reason)
    written = _object(estimator, path)
    again = made(written["estimator"], written.get("parameters", {}))
    wrong = next(same_parameters(estimator, again), None)
    if wrong:
        raise PartError(path, f"parameter {wrong} does not come back as it was; give it as text, number or list")
    return written


def same_parameters(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """The names of the parameters in which two estimators differ; none for equal ones."""
    ours, theirs = _taken(one), _taken(other)
    for name in sorted({*ours, *theirs}):
        if not _same(ours.get(name), theirs.get(name)):
            yield f"{where}{name}"


def _written(value: Any, where: str) -> Any:
    """One value in words, numbers, lists and mappings."""
    import numpy as np

    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        if value < 0:
            raise PartError(where, "minus infinity cannot be written down; leave the bound out, or give a number")
        return {"object": "numpy.nan" if math.isnan(value) else "numpy.inf"}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict | list | tuple):
        return _container(value, where)
    if isinstance(value, np.ndarray):
        raise PartError(where, "it holds an array, which a spec cannot; give a list, or make it in a module")
    if isinstance(value, type) or inspect.isroutine(value) or isinstance(value, np.ufunc):
        return {"object": _path(value)}
    return _object(value, where)


def _container(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and set(value) not in RESERVED:
            return {key: _written(held, where) for key, held in value.items()}
        return {"pairs": [[_written(key, where), _written(held, where)] for key, held in value.items()]}
    items = [_written(item, where) for item in value]
    step = names_a_step(items)
    if isinstance(value, list) and step:
        raise PartError(where, f"the step {items[0]!r} stands in a list; write it as a tuple")
    return items if isinstance(value, list) or step else {"tuple": items}


def _object(value: Any, where: str) -> dict[str, Any]:
    """An object that is made by its class from attributes of the same names."""
    path = _path(type(value))
    if type(value).__name__ == "FrozenEstimator":
        raise PartError(where, "a FrozenEstimator holds what was fitted elsewhere; put the estimator itself there")
    import numpy as np

    if isinstance(value, np.random.RandomState | np.random.Generator):
        raise PartError(where, f"{path} is chance without a name; give random_state as a whole number, or none")
    try:
        taken = _taken(value)
        known = inspect.signature(type(value)).parameters
    except (TypeError, ValueError, AttributeError) as error:
        reason = f"{path} cannot be written down; make it in a function of a module, and name that function"
        raise PartError(where, reason) from error
    plain = {
        name: _written(held, f"{path} parameter {name}")
        for name, held in taken.items()
        if name not in known or not _same(held, known[name].default)
    }
    return {"estimator": path, "parameters": plain} if plain else {"estimator": path}


def _taken(value: Any) -> dict[str, Any]:
    """The parameters that an object was made with.

    Raises:
        AttributeError: It does not keep one of them.
    """
    if hasattr(value, "get_params"):
        shallow: dict[str, Any] = value.get_params(deep=False)
        return shallow
    known = inspect.signature(type(value)).parameters
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in known.values()):
        raise AttributeError(type(value).__name__)
    return {name: getattr(value, name) for name, found in known.items() if found.kind is not found.VAR_KEYWORD}


def _same(one: Any, other: Any) -> bool:
    """Whether two values of a parameter are one, types included."""
    import numpy as np

    one, other = (value.item() if isinstance(value, np.generic) else value for value in (one, other))
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict | list | tuple):
        ours, theirs = (list(value.items()) if isinstance(value, dict) else value for value in (one, other))
        return len(ours) == len(theirs) and all(_same(*pair) for pair in zip(ours, theirs, strict=True))
    if hasattr(one, "get_params") and not isinstance(one, type):
        return next(same_parameters(one, other), None) is None
    return bool(one == other) or _alike(one, other)


def _alike(one: Any, other: Any) -> bool:
    """Whether two objects that know no equality were made with the same parameters, as splitters are."""
    try:
        return not inspect.isroutine(one) and next(same_parameters(one, other), None) is None
    except (AttributeError, TypeError, ValueError):
        return False


def _path(named: Any) -> str:
    """The shortest public import path, `sklearn.svm.SVC` instead of `sklearn.svm._classes.SVC`.

    Raises:
        PartError: Nobody can import it by its name.
    """
    import numpy as np

    if isinstance(named, np.ufunc):
        return f"numpy.{named.__name__}"
    module, name = getattr(named, "__module__", None) or "", getattr(named, "__qualname__", "")
    parts = module.split(".")
    private = [place for place, part in enumerate(parts) if part.startswith("_")]
    for end in (*private[:1], len(parts)):
        path = f"{'.'.join(parts[:end])}.{name}"
        try:
            if end and import_object(path) is named:
                return path
        except PartError:
            continue
    reason = (
        "it cannot be imported by this name; put it at the top of a module, such as acme/features.py, and import it"
    )
    raise PartError(f"{module}.{name}", reason)
