"""Reads a model's spec from YAML, and says of every mistake which key it is, what is allowed and what was near."""

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from prefect_mlops.core.errors import SpecError, SpecProblem
from prefect_mlops.core.spec import ModelSpec
from prefect_mlops.core.yamltext import UnreadableError, read_yaml

__all__ = ["load_spec", "parse_spec"]


def load_spec(path: Path) -> ModelSpec:
    """Read a spec file.

    Raises:
        SpecError: It cannot be read, or says what is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = SpecProblem("file", f"it cannot be read ({error}).", "Write one with `prefect-mlops new NAME`.")
        raise SpecError(str(path), (problem,)) from error
    return parse_spec(text, str(path))


def parse_spec(text: str, source: str = "<spec>") -> ModelSpec:
    """Read a spec from YAML text.

    Args:
        text: The YAML.
        source: What errors call it.

    Raises:
        SpecError: It is not YAML, or says what is not allowed; all problems are told at once.
    """
    try:
        content, lines = read_yaml(text)
    except UnreadableError as error:
        raise SpecError(source, (error.problem,)) from error
    if not isinstance(content, dict):
        problem = SpecProblem("spec", "it holds no keys.", "Begin with `spec_version: 1`, or use `prefect-mlops new NAME`.")
        raise SpecError(source, (problem,))
    try:
        return ModelSpec.model_validate_json(_json(content), strict=False)
    except ValidationError as error:
        problems = tuple(_problem(found, lines) for found in error.errors(include_url=False))
        raise SpecError(source, tuple(dict.fromkeys(problems))) from error


def _json(content: Any) -> str:
    import json

    return json.dumps(content)


def _problem(found: Any, lines: dict[tuple[str | int, ...], int]) -> SpecProblem:
    """One of pydantic's complaints as a sentence with its cure."""
    location = _without_tags(tuple(found["loc"]))
    where = ".".join(str(part) for part in location) or "spec"
    line = next((lines[location[:end]] for end in range(len(location), 0, -1) if location[:end] in lines), None)
    key = f"{where} (line {line})" if line else where
    kind, name = found["type"], str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        return SpecProblem(key, "the key is not known.", _near(name, _allowed(tuple(found["loc"][:-1]))))
    if kind == "missing":
        return SpecProblem(key, "the key is missing.", "Add it; docs/spec.md says what it means.")
    if kind == "union_tag_invalid":
        context = found["ctx"]
        allowed = [tag.strip("'") for tag in context["expected_tags"].split(", ")]
        cure = _near(str(context["tag"]), [tag for tag in allowed if tag != "custom"])
        return SpecProblem(f"{key}.kind", f"{context['tag']!r} is not a kind.", f"{cure} Or name a class, package.module:Class.")
    if kind == "union_tag_not_found":
        return SpecProblem(key, "it does not say its kind.", "Add `kind:`.")
    return SpecProblem(key, f"{_shown(found['input'])}: {found['msg'].removeprefix('Value error, ')}.")


def _without_tags(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The place as written in the file: pydantic puts the kind of a part between its key and its keys."""
    kept: list[str | int] = []
    for part in location:
        tagged = kept and (isinstance(kept[-1], int) or kept[-1] in ("trainer", "split"))
        if tagged and isinstance(part, str) and part in TAGS:
            continue
        kept.append(part)
    return tuple(kept)


def _near(word: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Allowed: {', '.join(sorted(allowed))}." if allowed else hint


def _allowed(location: tuple[Any, ...]) -> list[str]:
    """The keys of the record at a place in the spec."""
    kind: Any = ModelSpec
    for part in location:
        if isinstance(part, int):
            continue
        tagged = [model for model in _models(kind) if _tag(model) == part]
        if tagged:
            kind = tagged[0]
            continue
        owners = [model for model in _models(kind) if part in model.model_fields]
        if not owners:
            return []
        kind = owners[0].model_fields[part].annotation
    return sorted({name for model in _models(kind)[:1] for name in model.model_fields})


def _models(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for inner in get_args(kind) for model in _models(inner)]


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return field.default if field is not None and isinstance(field.default, str) else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


TAGS = {tag for model in _models(tuple[ModelSpec, *[f.annotation for f in ModelSpec.model_fields.values()]]) if (tag := _tag(model))}
TAGS.add("custom")
