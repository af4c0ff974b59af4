"""Reading a spec from text, and saying about all that is wrong with it where, what is allowed and the near word."""

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from prefect_mlops.core.errors import SpecError, SpecProblem
from prefect_mlops.core.parts import kind_of
from prefect_mlops.core.plugins import CustomPart
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.yamltext import UnreadableError, read_yaml

__all__ = ["load_spec", "near_word", "parse_spec"]

IMPORT_PATH = "package.module:Class"
Where = tuple[str | int, ...]
Said = tuple[str, str, Where]
"""What is wrong, what to do, and the path to name."""


def load_spec(path: str | Path) -> ModelSpec:
    """The spec in a file.

    Raises:
        SpecError: The file is not there or not text, or the spec is not allowed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problem = SpecProblem("file", f"it is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.")
        raise SpecError(str(path), (problem,)) from error
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        cure = "Correct the path, or write one with `prefect-mlops new NAME`."
        raise SpecError(str(path), (SpecProblem("file", f"it cannot be read: {said}.", cure),)) from error
    return parse_spec(text, source=str(path))


def parse_spec(text: str, source: str = "<spec>") -> ModelSpec:
    r"""The spec that a YAML text holds.

    Args:
        text: YAML, one document.
        source: What to call the text in an error.

    Raises:
        SpecError: Whatever is wrong, all of it at once; rules between columns are looked at when every key is right.

    Examples:
        >>> parse_spec("spec_version: 1\nname: bike-demand\nseeed: 3")
        Traceback (most recent call last):
        prefect_mlops.core.errors.SpecError: <spec> is not a valid model spec:
          - purpose: is missing. Why the model exists, for the people who must decide about it.
          - data: is missing. What a row is, and when its label is known.
          - target: is missing. What is predicted.
          - features: is missing. The columns that the model may look at, by role.
          - split: is missing. Known kinds: by-group, by-key, by-time.
          - trainer: is missing. Known kinds: partial, sklearn, or package.module:Class.
          - gates: is missing. Known kinds: at-least, at-most, better-than-baseline, better-than-champion, calibrated,
            fair-across, fast-enough, holds-on-slices, no-leakage, not-worse-than-champion, robust, small-enough, or
            package.module:Class.
          - seeed (line 3): is not a key here. Did you mean seed? Allowed: alarm_level, approval, data, features,
            gates, monitors, name, purpose, report, retraining, rollout, scoring, search, seed, serving, spec_version,
            split, suite, target, trainer.
    """
    try:
        document = read_yaml(text)
    except UnreadableError as error:
        raise SpecError(source, (error.problem,)) from error
    if not isinstance(document.value, dict):
        found = "it is empty" if document.value is None else f"it holds {_shown(document.value)}"
        cure = "Begin with `spec_version: 1`, or use `prefect-mlops new NAME`."
        raise SpecError(source, (SpecProblem("file", f"{found}; a spec is a mapping of keys.", cure),))
    try:
        return ModelSpec.model_validate(document.value)
    except ValidationError as error:
        raise SpecError(source, tuple(_problems(error, document.value, document.lines))) from error


def near_word(word: str, known: Iterable[str]) -> str:
    """`Did you mean at-least?`, or nothing where no known word is near.

    Examples:
        >>> near_word("at-lest", ["at-least", "at-most"])
        'Did you mean at-least?'
        >>> near_word("quux", ["at-least", "at-most"])
        ''
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""


class _Place(NamedTuple):
    """Where an error is: the path in the text, the value there, the class around it and the field's annotation."""

    path: Where
    value: Any
    around: type[BaseModel] | None
    hint: Any
    one_of_several: bool


def _problems(error: ValidationError, value: Any, lines: dict[Where, int]) -> list[SpecProblem]:
    said: set[Where] = set()
    problems: list[tuple[int, SpecProblem]] = []
    for found in error.errors(include_url=False):
        place = _place(found["loc"], value)
        if found["type"] == "too_short" and place.value:
            continue  # its entries are wrong themselves, are told, and were counted out
        if place.one_of_several and place.path in said:
            continue
        said.add(place.path)
        message, cure, path = SENTENCES.get(found["type"], _wrong_value)(found, place)
        line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)
        line = 0 if found["type"] == "missing" and len(path) == 1 else line
        problems.append((line, SpecProblem(_key(path) + (f" (line {line})" if line else ""), message, cure)))
    return [problem for _, problem in sorted(problems, key=lambda entry: entry[0])]


def _place(loc: tuple[int | str, ...], value: Any) -> _Place:
    """Follow pydantic's path, which names the kind of a part between its key and its own keys."""
    path: list[str | int] = []
    around: type[BaseModel] | None = None
    here: type[BaseModel] | None = ModelSpec
    hint: Any = ModelSpec
    tagged = several = False
    for item in loc:
        if isinstance(value, dict) and not tagged and here is None and kind_of(value) == item:
            here, tagged = _of_kind(hint, item), True
        elif (isinstance(value, dict) and isinstance(item, str)) or (isinstance(value, list) and isinstance(item, int)):
            if isinstance(item, str) and get_origin(hint) is dict:
                around, hint = None, get_args(hint)[1]  # keys are anyone's, and their values share one class
            elif isinstance(item, str):
                around = here
                field = here.model_fields.get(item) if here else None
                hint = field.annotation if field else None
            models = _models(hint)
            here, tagged = (models[0] if len(models) == 1 else None), False
            value = value.get(item) if isinstance(value, dict) else value[int(item)]
            path.append(item)
        else:
            several = True
    return _Place(tuple(path), value, around, hint, several)


def _missing(_: Any, place: _Place) -> Said:
    return "is missing.", _meaning(place), place.path


def _unknown_key(_: Any, place: _Place) -> Said:
    key, known = str(place.path[-1]), sorted(place.around.model_fields) if place.around else []
    section = _section_of(key) if place.around is ModelSpec else ""
    hint = section or near_word(key, known)
    return "is not a key here.", f"{hint} Allowed: {', '.join(known)}.".strip(), place.path


def _unknown_kind(_: Any, place: _Place) -> Said:
    known = _kinds(place.hint)
    cure = f"Known kinds: {', '.join(known)}."
    if not isinstance(place.value, dict):
        return f"must be a mapping with a `kind`, found {_shown(place.value)}.", cure, place.path
    path, word = (*place.path, "kind"), place.value.get("kind")
    if word is None:
        return "is missing.", cure, path
    return f"{_shown(word)} is not known.", f"{near_word(str(word), known)} {cure}".strip(), path


def _unknown_word(found: Any, place: _Place) -> Said:
    hint = near_word(str(place.value), [str(word) for word in _words(place.hint)])
    return f"must be {found['ctx']['expected']}, found {_shown(place.value)}.", hint, place.path


def _broken_rule(found: Any, place: _Place) -> Said:
    """A rule between keys: ours begin with the section they are about."""
    said = str(found["ctx"]["error"])
    section, colon, rest = said.partition(": ")
    if colon and not place.path and section in ModelSpec.model_fields:
        return f"{rest}.", "", (section,)
    return f"{said}.", "", place.path


def _wrong_value(found: Any, place: _Place) -> Said:
    shown = _shown(place.value)
    if place.around is CustomPart and place.path[-1] == "kind":
        return f"{shown} is not an import path.", f"Write {IMPORT_PATH}.", place.path
    if place.one_of_several:
        return f"must be text, a number, true or false, found {shown}.", _meaning(place), place.path
    words = found["msg"].partition(", unable to")[0]
    for theirs, ours in PHRASES.items():
        words = words.replace(theirs, ours)
    return f"{words.partition(':')[0]}, found {shown}.", _meaning(place), place.path


SENTENCES = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _unknown_kind,
    "literal_error": _unknown_word,
    "value_error": _broken_rule,
}
PHRASES = {
    "Input should": "must",
    "String should": "must",
    "Tuple should": "must",
    "Keys should": "keys must",
    "Dictionary should": "must",
    "valid tuple": "list such as [a, b]",
    "valid dictionary or instance of ": "mapping:",
    "valid dictionary": "mapping",
    "a valid string": "text",
    "valid number": "number",
    "valid integer": "whole number",
    "a valid boolean": "true or false",
    " item after validation, not 0": " entry",
}


def _meaning(place: _Place) -> str:
    """What a key is for, in the words of its field or of the section's class."""
    field = place.around.model_fields.get(str(place.path[-1])) if place.around and place.path else None
    if field is None:
        return ""
    if field.description:
        return field.description
    kinds, words, models = _kinds(field.annotation), _words(field.annotation), _models(field.annotation)
    if kinds:
        return f"Known kinds: {', '.join(kinds)}."
    if words:
        return f"Allowed: {', '.join(str(word) for word in words)}."
    return (models[0].__doc__ or "").partition("\n")[0] if models else ""


def _section_of(key: str) -> str:
    owners = [
        name
        for name, field in ModelSpec.model_fields.items()
        if any(key in model.model_fields for model in _models(field.annotation)) and key != "kind"
    ]
    return f"It belongs under {' or '.join(owners)}." if owners else ""


def _models(hint: Any) -> list[type[BaseModel]]:
    if isinstance(hint, type) and not get_args(hint) and issubclass(hint, BaseModel):
        return [hint]
    return [model for part in get_args(hint) for model in _models(part)]


def _of_kind(hint: Any, kind: Any) -> type[BaseModel] | None:
    if kind == "custom":
        return CustomPart
    return next((model for model in _models(hint) if _kind_word(model) == kind), None)


def _kind_word(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return field.default if field is not None and isinstance(field.default, str) else None


def _kinds(hint: Any) -> list[str]:
    models = _models(hint)
    words = sorted(str(_kind_word(model)) for model in models if _kind_word(model))
    return [*words, f"or {IMPORT_PATH}"] if words and CustomPart in models else words


def _words(hint: Any) -> list[Any]:
    """The words of a `Literal`, wherever it stands in a hint."""
    parts = get_args(hint)
    if parts and not any(isinstance(part, type) or get_args(part) for part in parts):
        return list(parts)
    return [word for part in parts for word in _words(part)]


def _key(path: Where) -> str:
    """A path as people write it.

    Examples:
        >>> _key(("gates", 0, "metric"))
        'gates[0].metric'
    """
    written = "".join(f"[{item}]" if isinstance(item, int) else f".{item}" for item in path)
    return written.removeprefix(".") or "spec"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
