"""Suites as text, as a value or by import path: whatever a suite comes as, one `Suite` or a clear error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from prefect_mlops.core.errors import PartError, SpecError, SpecProblem
from prefect_mlops.core.plugins import import_object
from prefect_mlops.core.spec import Expectation, Suite
from prefect_mlops.core.specfile import near_word
from prefect_mlops.core.yamltext import UnreadableError, read_yaml

__all__ = ["parse_suite", "suite_from"]

OF_SUITE = ("expectations", "name", "stored", "data_docs", "suite_parameters")
OF_EXPECTATION = ("type", "kwargs", "meta", "severity")
WORDS_OF_GX = ("id", "meta", "notes", "description", "rendered_content", "expectation_context", "success_on_last_run")
"""What GX 1.x writes beside what decides: names, remarks and how to draw it."""
PARAMETER = "$PARAMETER"
Lines = Mapping[tuple[str | int, ...], int]


def suite_from(source: object, parameters: Mapping[str, Any] | None = None) -> Suite:
    """A suite in any form that people keep suites in.

    Args:
        source: A `Suite`; a mapping as in a suite file; the path of a YAML or JSON file, GX's own among them; an import
            path `package.module:suite`; a `great_expectations.ExpectationSuite`; or a callable that returns one of
            these.
        parameters: Values for GX's `$PARAMETER`, over those that the suite brings.

    Raises:
        SpecError: It is none of these, cannot be read, or says what is not allowed.
        PartError: The import path leads nowhere.

    Examples:
        >>> found = suite_from({"expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]})
        >>> found.expectations[0].kwargs, found.expectations[0].severity
        ({'column': 'a'}, 'critical')
    """
    if isinstance(source, Suite):
        return source
    if isinstance(source, Mapping):
        return _suite(dict(source), "<suite>", {}, parameters or {})
    if isinstance(source, str) and ":" in source and not Path(source).suffix.endswith(("yaml", "yml", "json")):
        found = import_object(source)
        if isinstance(found, (str, Path)):
            raise PartError(source, "it is text; name a suite, or a function that returns one")
        return suite_from(found, parameters)
    if isinstance(source, (str, Path)):
        return _read(Path(source), parameters or {})
    if hasattr(source, "to_json_dict"):  # great_expectations.ExpectationSuite; GX itself is not imported here
        return _suite(source.to_json_dict(), str(getattr(source, "name", "<suite>")), {}, parameters or {})
    if callable(source) and not isinstance(source, type):
        return suite_from(source(), parameters)
    problem = SpecProblem(
        "suite", f"{type(source).__name__} is no form of a suite.", "Give a Suite, a file or a GX suite."
    )
    raise SpecError("<suite>", (problem,), "suite")


def parse_suite(
    text: str, source: str = "<suite>", *, as_json: bool = False, parameters: Mapping[str, Any] | None = None
) -> Suite:
    """The suite that a text holds.

    Args:
        text: YAML, or JSON as GX 1.x writes it.
        source: What to call the text in an error.
        as_json: Whether it is JSON.
        parameters: Values for GX's `$PARAMETER`.

    Raises:
        SpecError: Whatever is wrong, all of it at once.

    Examples:
        >>> parse_suite("expectations: [{type: expect_column_to_exist, kwarg: {column: a}}]")
        Traceback (most recent call last):
        prefect_mlops.core.errors.SpecError: <suite> is not a valid suite:
          - expectations[0].kwarg (line 1): is not a key here. Did you mean kwargs?
    """
    if as_json:
        return _suite(_json(text, source), source, {}, parameters or {})
    try:
        document = read_yaml(text)
    except UnreadableError as error:
        raise _wrong(source, [error.problem]) from error
    return _suite(document.value, source, document.lines, parameters or {})


def _read(path: Path, parameters: Mapping[str, Any]) -> Suite:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problem = SpecProblem("file", f"it is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.")
        raise _wrong(str(path), [problem]) from error
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _wrong(str(path), [SpecProblem("file", f"it cannot be read: {said}.", "Correct the path.")]) from error
    return parse_suite(text, str(path), as_json=path.suffix == ".json", parameters=parameters)


def _json(text: str, source: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"the key {twice[0]!r} stands there a second time")
        return dict(pairs)

    def finite(word: str) -> NoReturn:
        raise ValueError(f"{word} is not a number of JSON")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=finite)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise _wrong(
            source, [SpecProblem("file", f"this is not JSON: {said}.", "Write it with a JSON writer.")]
        ) from error


def _suite(value: Any, source: str, lines: Lines, parameters: Mapping[str, Any]) -> Suite:
    if not isinstance(value, dict) or ("expectations" not in value and "stored" not in value):
        cure = "Begin with `expectations:` and a list below it."
        raise _wrong(source, [SpecProblem("file", "it holds no suite, which is a mapping with `expectations`.", cure)])
    problems = [_unknown(str(key), (key,), OF_SUITE, lines) for key in value if key not in (*OF_SUITE, *WORDS_OF_GX)]
    entries = value.get("expectations")
    entries = [] if entries is None else entries
    own = value.get("suite_parameters") or {}
    known = {**own, **parameters} if isinstance(own, dict) else dict(parameters)
    made = []
    if not isinstance(entries, (list, tuple)):
        problems.append(SpecProblem("expectations", "must be a list of expectations."))
        entries = []
    for position, entry in enumerate(entries):
        found = _expectation(entry, ("expectations", position), lines, known)
        if isinstance(found, Expectation):
            made.append(found)
        else:
            problems += found
    if problems:
        raise _wrong(source, problems)
    kept = {key: value[key] for key in ("stored", "data_docs") if value.get(key) is not None}
    try:
        return Suite.model_validate({**kept, "expectations": made})
    except ValidationError as error:
        raise _wrong(
            source, [SpecProblem(str(each["loc"][0]), f"{each['msg']}.") for each in error.errors()]
        ) from error


def _expectation(
    entry: Any, path: tuple[str | int, ...], lines: Lines, parameters: Mapping[str, Any]
) -> Expectation | list[SpecProblem]:
    if not isinstance(entry, dict):
        return [SpecProblem(_place(path, lines), "must be a mapping with `type` and `kwargs`.")]
    if "expectation_type" in entry:
        cure = "Write `type`; GX before 1.0 wrote `expectation_type`."
        return [SpecProblem(_place((*path, "expectation_type"), lines), "is of an older Great Expectations.", cure)]
    problems = [
        _unknown(str(key), (*path, key), OF_EXPECTATION, lines)
        for key, given in entry.items()
        if key not in (*OF_EXPECTATION, *WORDS_OF_GX) and not (key == "windows" and not given)
    ]
    kept = {key: entry[key] for key in OF_EXPECTATION if entry.get(key) is not None}
    problems += (
        [] if "type" in kept else [SpecProblem(_place(path, lines), "has no `type`.", "Name an expectation of GX.")]
    )
    kwargs = kept.get("kwargs")
    if isinstance(kwargs, dict):
        try:
            kept["kwargs"] = {key: _resolved(given, parameters) for key, given in kwargs.items()}
        except LookupError as error:
            problems.append(_no_parameter(str(error.args[0]), (*path, "kwargs"), lines, parameters))
    if problems:
        return problems
    try:
        return Expectation.model_validate(kept)
    except ValidationError as error:
        return [
            SpecProblem(_place((*path, *each["loc"]), lines), f"{each['msg'].removeprefix('Value error, ')}.")
            for each in error.errors()
        ]


def _resolved(given: Any, parameters: Mapping[str, Any]) -> Any:
    """A value with GX's `$PARAMETER` replaced; ours are names, not GX's sums and dates."""
    if isinstance(given, dict) and PARAMETER in given:
        name = given[PARAMETER]
        if not isinstance(name, str) or name not in parameters:
            raise LookupError(name)
        return parameters[name]
    if isinstance(given, dict):
        return {key: _resolved(each, parameters) for key, each in given.items()}
    return [_resolved(each, parameters) for each in given] if isinstance(given, list) else given


def _no_parameter(name: str, path: tuple[str | int, ...], lines: Lines, parameters: Mapping[str, Any]) -> SpecProblem:
    known = ", ".join(map(str, parameters)) or "none"
    cure = f"{near_word(name, map(str, parameters))} Put its value under `suite_parameters`; there is {known}.".strip()
    return SpecProblem(_place(path, lines), f"the parameter {name!r} has no value.", cure)


def _unknown(key: str, path: tuple[str | int, ...], known: tuple[str, ...], lines: Lines) -> SpecProblem:
    cure = near_word(key, known) or f"Allowed: {', '.join(known)}."
    return SpecProblem(_place(path, lines), "is not a key here.", cure)


def _place(path: tuple[Any, ...], lines: Lines) -> str:
    written = "".join(f"[{item}]" if isinstance(item, int) else f".{item}" for item in path).removeprefix(".")
    line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)
    return written + (f" (line {line})" if line else "")


def _wrong(source: str, problems: list[SpecProblem]) -> SpecError:
    return SpecError(source, tuple(problems), "suite")
