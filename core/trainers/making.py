"""Estimators from what is written down: an import path and parameters, nested as deep as pipelines are."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from prefect_mlops.core.errors import PartError, TrainingError
from prefect_mlops.core.plugins import import_object

__all__ = ["in_words", "labels_as_text", "local_parts", "made", "seeded"]

DETERMINISTIC = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
"""What LightGBM must be told so that two trainings on one machine give one model."""
EXTRAS = {"lightgbm": "prefect-mlops[lightgbm]"}


def made(path: str, parameters: Mapping[str, Any]) -> Any:
    """The object that an import path and parameters describe.

    Parameters may hold further objects: `{estimator: path, parameters: {...}}` is made likewise, `{object: path}` is
    a function or class itself, `{tuple: [...]}` a tuple and `{pairs: [[key, value], ...]}` a mapping whose keys are no
    texts. A list is a tuple where the parameter's default is one, and where it names a step, as `[scale, {estimator:
    ...}]` does.

    Args:
        path: `package.module.Class`, or `package.module:make_pipeline`, a function that returns an estimator.
        parameters: Keyword arguments.

    Raises:
        TrainingError: It does not import, has no such parameter, or refuses a value.

    Examples:
        >>> scale = {"estimator": "sklearn.preprocessing.StandardScaler"}
        >>> forest = {"estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 7}}
        >>> made("sklearn.pipeline.Pipeline", {"steps": [["scale", scale], ["forest", forest]]})
        Pipeline(steps=[('scale', StandardScaler()),
                        ('forest', RandomForestClassifier(n_estimators=7))])
    """
    maker = _imported(path)
    if not callable(maker):
        raise TrainingError(path, "it is neither a class nor a function")
    known = _parameters(maker)
    _refuse_unknown(path, maker, known, parameters)
    ready = {name: _read(value, known.get(name)) for name, value in parameters.items()}
    lacking = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty and parameter.kind not in _OPEN and name not in ready
    ]
    if lacking and not isinstance(maker, type):
        raise TrainingError(path, f"it is not an estimator class, and makes none without {', '.join(lacking)}")
    try:
        return maker(**ready)
    except Exception as error:
        raise TrainingError(path, in_words(error)) from error


def seeded(estimator: Any, seed: int) -> Any:
    """The same estimator, with a seed wherever in it chance has none, and LightGBM told to leave nothing to chance."""
    for part in list(_everything(estimator, {})):
        if isinstance(part, type):
            continue
        if not hasattr(part, "get_params"):  # a splitter, as of a stacked estimator
            if getattr(part, "shuffle", False) and getattr(part, "random_state", seed) is None:
                part.random_state = seed
            continue
        given = part.get_params(deep=False)
        wanted = {"random_state": seed} if "random_state" in given and given["random_state"] is None else {}
        if type(part).__module__.startswith("lightgbm."):
            wanted |= {name: value for name, value in DETERMINISTIC.items() if name not in given}
        if wanted:
            part.set_params(**wanted)
    return estimator


def local_parts(value: Any) -> Iterator[str]:
    """The names of what no other process can import: lambdas, and functions and classes of a function or a script."""
    for part in _everything(value, {}):
        named = part if isinstance(part, type) or hasattr(part, "__qualname__") else type(part)
        qualified, module = getattr(named, "__qualname__", ""), getattr(named, "__module__", "")
        if "<lambda>" in qualified or "<locals>" in qualified:
            yield qualified.replace("<locals>.", "")
        elif module == "__main__":
            yield qualified


def labels_as_text(found: Any) -> Any:
    """Labels as JSON writes them, so that a mapping is the same before and after its way through a deployment.

    Examples:
        >>> labels_as_text({True: 5.0, 3: 2.0})
        {'true': 5.0, '3': 2.0}
    """
    if not isinstance(found, Mapping):
        return found
    return {str(label).lower() if isinstance(label, bool) else str(label): weight for label, weight in found.items()}


def in_words(error: BaseException) -> str:
    r"""What an error of somebody else's says, in one line.

    Examples:
        >>> in_words(ValueError("too\n small."))
        'ValueError: too small'
    """
    if isinstance(error, MemoryError):
        return "it needs more memory than there is; give it fewer rows or categories, or a machine with more"
    told = " ".join(str(error).split())[:400].rstrip(".")
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


_OPEN = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _read(value: Any, parameter: inspect.Parameter | None = None) -> Any:
    """One value of a parameter."""
    if isinstance(value, Mapping):
        return _read_mapping(value)
    if isinstance(value, list | tuple):
        read = [_read(item) for item in value]
        return tuple(read) if isinstance(value, tuple) or names_a_step(value) or _wants_tuple(parameter) else read
    return value


def _read_mapping(value: Mapping[str, Any]) -> Any:
    keys = set(value)
    if isinstance(value.get("estimator"), str) and keys <= {"estimator", "parameters"}:
        return made(value["estimator"], value.get("parameters") or {})
    if keys == {"object"}:
        return _imported(str(value["object"]))
    if keys == {"tuple"}:
        return tuple(_read(item) for item in value["tuple"])
    if keys == {"pairs"}:
        return {_read(key): _read(held) for key, held in value["pairs"]}
    return {key: _read(held) for key, held in value.items()}


def names_a_step(value: Any) -> bool:
    """Whether a list is one step of a pipeline: a name, an estimator, and perhaps the columns it looks at."""
    return (
        2 <= len(value) <= 3
        and isinstance(value[0], str)
        and isinstance(value[1], Mapping)
        and isinstance(value[1].get("estimator"), str)
    )


def _wants_tuple(parameter: inspect.Parameter | None) -> bool:
    return parameter is not None and isinstance(parameter.default, tuple)


def _imported(path: str) -> Any:
    try:
        return import_object(path)
    except PartError as error:
        extra = EXTRAS.get(path.partition(".")[0])
        reason = f"its module does not import; install {extra} where flows run" if extra else error.reason
        raise TrainingError(path, f"{reason}{_near_names(path)}") from error


def _parameters(maker: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(maker).parameters
    except (TypeError, ValueError):  # a few classes written in C tell nobody what they take
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}


def _refuse_unknown(path: str, maker: Any, known: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> None:
    words = {name for name, parameter in known.items() if parameter.kind not in _OPEN}
    if len(words) < len(known):
        aliases = _lightgbm_words() if maker.__module__.startswith("lightgbm.") else set()
        if not aliases:
            return
        words |= aliases
    wrong = [name for name in given if name not in words]
    if wrong:
        near = get_close_matches(wrong[0], sorted(words), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}" if near else f"it takes {', '.join(sorted(words)[:20])}"
        raise TrainingError(path, f"it has no parameter {wrong[0]!r}; {hint}")


def _lightgbm_words() -> set[str]:
    """LightGBM's classes take any keyword; the library itself knows which mean something."""
    from lightgbm.basic import _ConfigAliases

    return {word for name, aliases in _ConfigAliases._get_all_param_aliases().items() for word in (name, *aliases)}


def _near_names(path: str) -> str:
    module_name, _, name = path.replace(":", ".").rpartition(".")
    try:
        public = [found for found in dir(__import__(module_name, fromlist=["_"])) if not found.startswith("_")]
    except (ImportError, ValueError):
        return ""
    near = get_close_matches(name, public, n=3, cutoff=0.5)
    return f"; near it {'are' if len(near) > 1 else 'is'} {', '.join(near)}" if near else ""


def _everything(value: Any, seen: dict[int, Any]) -> Iterator[Any]:
    """A value and all that it holds, as far as parameters go; what was seen is kept, or its address would be reused."""
    if id(value) in seen or value is None or isinstance(value, str | int | float | complex | bytes):
        return
    seen[id(value)] = value
    if isinstance(value, Mapping):
        for pair in value.items():
            yield from _everything(pair, seen)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _everything(item, seen)
    else:
        yield value
        if hasattr(value, "get_params") and not isinstance(value, type):
            yield from _everything(value.get_params(deep=False), seen)
