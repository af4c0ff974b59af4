"""YAML as a spec needs it: JSON's values only, each place with its line, nothing guessed.

YAML 1.1, which most Python readers speak, takes `on` for true, `1e-5` for text, `2013-01-01` for a date and
the last of two equal keys for the truth. Here words are text, `1e-5` is a number and equal keys are refused.
"""

import math
import re
from typing import Any, NamedTuple

from prefect_mlops.core.errors import SpecProblem

__all__ = ["Document", "UnreadableError", "read_yaml"]

MAX_DEPTH = 40
INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}

Path = tuple[str | int, ...]


class Document(NamedTuple):
    """The value of a YAML text, and the line on which each place of it begins, counted from 1."""

    value: Any
    lines: dict[Path, int]


class UnreadableError(ValueError):
    """A text that holds no value of JSON's kinds.

    Args:
        problem: Where and why.
    """

    def __init__(self, problem: SpecProblem) -> None:
        super().__init__(problem)
        self.problem = problem


def read_yaml(text: str) -> Document:
    r"""The value of one YAML document: mappings with text keys, lists, text, numbers, true, false and null.

    Raises:
        UnreadableError: The text is not YAML, holds a key twice, a tag, an alias, two documents, a number that is not
            finite, or is nested deeper than forty levels.

    Examples:
        >>> read_yaml("on: [yes, 1e-5, 2013-01-01, true]").value
        {'on': ['yes', 1e-05, '2013-01-01', True]}
        >>> read_yaml("a:\n  - b: 1\n").lines[("a", 0, "b")]
        2
    """
    import yaml

    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = " ".join(part for part in (error.context, error.problem) if part)
        hint = (
            "A text that holds ': ' or ' #' or begins with a sign such as @, % or { wants quotes; indent with blanks."
        )
        raise UnreadableError(SpecProblem(f"line {line}", f"this is not YAML: {said}.", hint)) from error
    except yaml.YAMLError as error:
        said = str(error).splitlines()[0]
        raise UnreadableError(SpecProblem("file", f"this is not YAML: {said}.", "Save it as UTF-8 text.")) from error
    return Document(builder.value, builder.lines)


class _Builder:
    """Takes the parser's events one by one, so that depth costs no recursion."""

    def __init__(self) -> None:
        self.value: Any = None
        self.lines: dict[Path, int] = {}
        self.documents = 0
        self.open: list[Any] = []
        self.keys: list[str | int | None] = []

    def take(self, event: Any) -> None:
        name, line = type(event).__name__, event.start_mark.line + 1
        if name == "DocumentStartEvent":
            self.documents += 1
            if self.documents > 1:
                _refuse(line, "a second document begins here.", "Write one spec a file.")
        elif name == "AliasEvent":
            _refuse(line, "aliases such as *name are not read.", "Write the value out.")
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            self.open.pop()
            self.keys.pop()
            self._advance()
        elif name in ("MappingStartEvent", "SequenceStartEvent", "ScalarEvent"):
            if event.tag is not None:
                _refuse(line, f"the tag {event.tag} is not read.", "Leave it out; quote what should be text.")
            if name == "ScalarEvent":
                self._scalar(event, line)
            else:
                self._begin({} if name == "MappingStartEvent" else [], line)

    def _begin(self, holder: Any, line: int) -> None:
        if self.open and isinstance(self.open[-1], dict) and self.keys[-1] is None:
            _refuse(line, "a key must be text.", "Write `key: value`.")
        if len(self.open) >= MAX_DEPTH:
            _refuse(line, f"this is nested deeper than {MAX_DEPTH} levels.", "A spec needs six.")
        self._put(holder, line)
        self.open.append(holder)
        self.keys.append(None if isinstance(holder, dict) else 0)

    def _scalar(self, event: Any, line: int) -> None:
        if self.open and isinstance(self.open[-1], dict) and self.keys[-1] is None:
            if event.value in self.open[-1]:
                _refuse(line, f"the key {event.value!r} stands here a second time.", "Keep one of the two.")
            self.keys[-1] = _text(event.value, line)
            self.lines[self._path()] = line
            return
        self._put(_scalar_value(event.value, line) if event.implicit[0] else _text(event.value, line), line)
        self._advance()

    def _put(self, value: Any, line: int) -> None:
        self.lines.setdefault(self._path(), line)
        if not self.open:
            self.value = value
        elif isinstance(self.open[-1], dict):
            self.open[-1][self.keys[-1]] = value
        else:
            self.open[-1].append(value)

    def _advance(self) -> None:
        if self.open:
            key = self.keys[-1]
            self.keys[-1] = key + 1 if isinstance(key, int) else None

    def _path(self) -> Path:
        return tuple(key for key in self.keys if key is not None)


def _scalar_value(word: str, line: int) -> Any:
    if word in WORDS:
        return WORDS[word]
    if INTEGER.fullmatch(word):
        return int(word)
    if NUMBER.fullmatch(word) or NOT_FINITE.fullmatch(word):
        number = float(word.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(number):
            _refuse(line, f"{word[:40]} is not a finite number.", "Leave the key out where there is no bound.")
        return number
    return _text(word, line)


def _text(word: str, line: int) -> str:
    try:
        word.encode()
    except UnicodeEncodeError:
        _refuse(line, "this text holds half of a surrogate pair.", "Write the character itself.")
    return word


def _refuse(line: int, message: str, cure: str) -> None:
    raise UnreadableError(SpecProblem(f"line {line}", message, cure))
