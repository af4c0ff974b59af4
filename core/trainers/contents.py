"""What is inside a fitted pipeline: the types it is made of, and a digest over all it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from prefect_mlops.core.errors import TrainingError

if TYPE_CHECKING:
    from prefect_mlops.core.trainers.fitted import FittedModel

__all__ = ["content_digest", "strange_types"]

ALLOWED = ("sklearn.", "numpy.", "scipy.")
BOOSTERS = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
)
"""LightGBM's own file format, a text, inside the skops file: the booster is read from it and runs no code."""
TIMINGS = ("_time", "_time_")


def strange_types(names: Iterable[str]) -> list[str]:
    """Those types that a stored model may not hold, sorted.

    Examples:
        >>> strange_types(["numpy.dtype", "acme.Encoder", "builtins.eval"])
        ['acme.Encoder', 'builtins.eval']
    """
    return sorted(name for name in names if not name.startswith(ALLOWED) and name not in BOOSTERS)


def content_digest(model: FittedModel) -> str:
    """SHA-256 over a model's parameters and fitted arrays: equal contents, equal digest, in every process.

    Memory addresses, dates, the order of sets and dicts, padding bytes and fit timings do not count; one bit of one
    fitted number does.

    Raises:
        TrainingError: The pipeline holds something that cannot be read.
    """
    whole = hashlib.sha256()
    for part in (model.features, model.classes, model.pipeline):
        whole.update(_digest(part, ()))
    return whole.hexdigest()


def _digest(value: Any, above: tuple[int, ...]) -> bytes:
    """Of any value, by its kind; `above` are the ids of what holds it, so that a cycle ends."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return _hash(type(value).__name__, repr(value).encode())
    if id(value) in above:
        return _hash("cycle", str(len(above) - above.index(id(value))).encode())
    inside = (*above, id(value))
    if isinstance(value, dict | set | frozenset | list | tuple):
        return _container(value, inside)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return _hash("name", _name(value).encode())
    return _numpy(value, inside) or _object(value, inside)


def _container(value: Any, inside: tuple[int, ...]) -> bytes:
    if isinstance(value, dict):
        pairs = ((_digest(key, inside), _digest(held, inside)) for key, held in value.items() if not _timing(key))
        return _hash("dict", *(part for pair in sorted(pairs) for part in pair))
    if isinstance(value, set | frozenset):
        return _hash("set", *sorted(_digest(item, inside) for item in value))
    return _hash(type(value).__name__, *(_digest(item, inside) for item in value))


def _numpy(value: Any, inside: tuple[int, ...]) -> bytes | None:
    import numpy as np

    if isinstance(value, np.ndarray):
        return _array(value, inside)
    if isinstance(value, np.random.RandomState):
        return _hash("chance", _digest(value.get_state(legacy=False), inside))
    if isinstance(value, np.random.Generator):
        return _hash("chance", _digest(value.bit_generator.state, inside))
    if isinstance(value, np.generic):
        return _hash(str(value.dtype), value.tobytes())
    return _hash("dtype", str(value).encode()) if isinstance(value, np.dtype) else None


def _array(value: Any, inside: tuple[int, ...]) -> bytes:
    import numpy as np

    head = f"{value.dtype} {value.shape}".encode()
    if value.dtype.names:
        return _hash("array", head, *(_digest(np.ascontiguousarray(value[name]), inside) for name in value.dtype.names))
    if value.dtype.hasobject:
        return _hash("array", head, *(_digest(item, inside) for item in value.ravel().tolist()))
    return _hash("array", head, np.ascontiguousarray(value).tobytes())


def _object(value: Any, inside: tuple[int, ...]) -> bytes:
    """An estimator by its attributes, anything else by what pickle would keep of it."""
    from sklearn.base import BaseEstimator

    name = _name(type(value)).encode()
    if _name(type(value)) in BOOSTERS[2:]:
        learned = (
            (value.booster_.model_to_string(), getattr(value, "classes_", None))
            if value.__sklearn_is_fitted__()
            else ()
        )
        held = (value.get_params(), learned)
        return _hash("object", name, _digest(held, inside))
    if isinstance(value, BaseEstimator):
        return _hash("object", name, _digest(vars(value), inside))
    try:
        kept = value.__reduce_ex__(2)
    except TypeError as error:
        raise TrainingError(_name(type(value)), f"its contents cannot be read ({error})") from error
    if isinstance(kept, str):
        return _hash("object", name, kept.encode())
    parts = (list(part) if index >= 3 and part is not None else part for index, part in enumerate(kept))
    return _hash("object", name, *(_digest(part, inside) for part in parts))


def _hash(kind: str, *parts: bytes) -> bytes:
    made = hashlib.sha256(kind.encode())
    for part in parts:
        made.update(len(part).to_bytes(8, "big"))
        made.update(part)
    return made.digest()


def _timing(key: object) -> bool:
    return isinstance(key, str) and key.endswith(TIMINGS)


def _name(found: Any) -> str:
    return f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', found)}"
