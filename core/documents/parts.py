"""What a document is made of: sections of sentences, tables, pictures and points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Document", "Folded", "Links", "Picture", "Points", "Section", "Table"]


class Table(NamedTuple):
    """Cells in rows below a head; a table without rows is not shown.

    Attributes:
        head: A name a column.
        rows: As many cells a row.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Picture(NamedTuple):
    """A PNG and what it shows.

    Attributes:
        caption: Said below it, and where it cannot be drawn.
        content: The PNG's bytes.
    """

    caption: str
    content: bytes


class Points(NamedTuple):
    """Sentences in a list, each below a bold beginning.

    Attributes:
        pairs: The beginning and the sentence.
    """

    pairs: Sequence[tuple[str, str]]


class Links(NamedTuple):
    """Addresses by name; one that is no web address is shown as text.

    Attributes:
        addresses: By name.
    """

    addresses: Mapping[str, str]


class Folded(NamedTuple):
    """Parts that are shown once somebody asks for them.

    Attributes:
        summary: What is shown before.
        parts: What is folded away.
    """

    summary: str
    parts: Sequence[Part]


Part = str | Table | Picture | Points | Links | Folded


class Section(NamedTuple):
    """A heading with its parts; without any it is not shown.

    Attributes:
        title: The heading.
        parts: Sentences and the like, in order.
    """

    title: str
    parts: Sequence[Part]


class Document(NamedTuple):
    """A title, what is said below it, and sections.

    Attributes:
        title: The heading of all.
        parts: What comes before the first section.
        sections: In order.
    """

    title: str
    parts: Sequence[Part]
    sections: Sequence[Section]
