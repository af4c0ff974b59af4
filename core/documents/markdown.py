"""A document as Markdown for the Prefect UI, in which no name can break a table or become a picture."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence

from prefect_mlops.core.documents.parts import Document, Folded, Links, Part, Picture, Points, Section, Table

__all__ = ["as_markdown", "paragraphs", "plain", "table"]

# An underscore between letters, as in roc_auc, means nothing in Markdown and is left alone.
SPEAKING = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
BEGINNING = re.compile(r"^(\s*)(#{1,6}\s|[-+]\s|={2,}|-{2,}|\d+[.)]\s)")


def as_markdown(document: Document) -> str:
    r"""The document as one text.

    Examples:
        >>> seen = Document("A", ["One *sentence*."], [Section("B", [Table(["x"], [["1"]])]), Section("C", [])])
        >>> print(as_markdown(seen), end="")
        # A
        <BLANKLINE>
        One \*sentence\*.
        <BLANKLINE>
        ## B
        <BLANKLINE>
        | x |
        |---|
        | 1 |
    """
    blocks = [f"# {plain(document.title)}", *_blocks(document.parts)]
    for section in document.sections:
        blocks += _section(section)
    return "\n\n".join(blocks) + "\n"


def paragraphs(parts: Sequence[Part]) -> str:
    r"""Parts alone, for a document that is put together elsewhere; empty where none has anything to show.

    Examples:
        >>> paragraphs(["*", Table(["x"], [])])
        '\\*'
    """
    return "\n\n".join(_blocks(parts))


def plain(text: str) -> str:
    r"""A text that Markdown shows as it is, in one line.

    Examples:
        >>> plain("a*b|c roc_auc _x_ <img>")
        'a\\*b\\|c roc_auc \\_x\\_ \\<img\\>'
        >>> plain("# 1")
        '\\# 1'
    """
    escaped = SPEAKING.sub(lambda found: f"\\{found[0]}", " ".join(text.split()))
    return BEGINNING.sub(lambda found: f"{found[1]}{_harmless(found[2])}", escaped)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A Markdown table of cells that may hold Markdown; bars and line breaks in them are made harmless.

    Examples:
        >>> print(table(["a", "b"], [[1, "x|y"]]))
        | a | b |
        |---|---|
        | 1 | x\|y |
    """
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _section(section: Section) -> list[str]:
    blocks = _blocks(section.parts)
    return [f"## {plain(section.title)}", *blocks] if blocks else []


def _blocks(parts: Sequence[Part]) -> list[str]:
    return [block for part in parts if (block := _block(part))]


def _block(part: Part) -> str:
    if isinstance(part, Table):
        cells = [[plain(cell) for cell in row] for row in part.rows]
        return table([plain(name) for name in part.head], cells) if cells else ""
    if isinstance(part, Picture):
        drawn = base64.b64encode(part.content).decode()
        return f"![{plain(part.caption)}](data:image/png;base64,{drawn})\n\n*{plain(part.caption)}*"
    if isinstance(part, Points):
        return "\n".join(f"- **{plain(begin)}** {plain(sentence)}".rstrip() for begin, sentence in part.pairs)
    if isinstance(part, Links):
        return " · ".join(_link(name, address) for name, address in part.addresses.items())
    if isinstance(part, Folded):
        inside = "\n\n".join(_blocks(part.parts))
        # Without the blank lines the table inside would be shown as text.
        return f"<details>\n<summary>{plain(part.summary)}</summary>\n\n{inside}\n\n</details>" if inside else ""
    return plain(part)


def _link(name: str, address: str) -> str:
    return f"[{plain(name)}](<{address}>)" if address.startswith("http") else f"{plain(name)}: `{address}`"


def _cell(value: object) -> str:
    # A bar that was escaped before stays so.
    return re.sub(r"(?<!\\)\|", r"\\|", str(value)).replace("\n", " ")


def _harmless(mark: str) -> str:
    number = re.match(r"(\d+)(.*)", mark, re.DOTALL)
    return f"{number[1]}\\{number[2]}" if number else f"\\{mark}"
