"""A document as one HTML page that needs nothing else: no script, no outside address, pictures inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape

from prefect_mlops.core.documents.parts import Document, Folded, Links, Part, Picture, Points, Section, Table

__all__ = ["as_page"]

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0;display:block;overflow-x:auto}"
    "th,td{border:1px solid #ccc;padding:.25rem .6rem;text-align:left;overflow-wrap:break-word}th{background:#f2f5f9}"
    "img{max-width:100%}figure{margin:1rem 0}figcaption{color:#555}li{margin:.3rem 0}summary{cursor:pointer}"
)
# A pair whose marks stand outside of words: a mark within a name, as in a`b, opens and closes nothing.
CODE = re.compile(r"(?<![\w`])`([^`\s](?:[^`]*[^`\s])?)`(?![\w`])")
# A browser that honours this fetches nothing, whatever a name or a label holds.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def as_page(document: Document) -> str:
    """The document as one page.

    Examples:
        >>> page = as_page(Document("A <b>", ["One sentence."], []))
        >>> "<h1>A &lt;b&gt;</h1>" in page, "<p>One sentence.</p>" in page
        (True, True)
    """
    title = escape(document.title)
    body = [_parts(document.parts), *(_section(section) for section in document.sections)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    told = _parts(section.parts)
    return f"<h2>{_told(section.title)}</h2>\n{told}" if told else ""


def _parts(parts: Sequence[Part]) -> str:
    return "\n".join(told for part in parts if (told := _part(part)))


def _part(part: Part) -> str:
    if isinstance(part, Table):
        return _table(part) if part.rows else ""
    if isinstance(part, Picture):
        drawn = base64.b64encode(part.content).decode()
        source = f"data:image/png;base64,{drawn}"
        image = f'<img alt="{escape(part.caption)}" src="{source}">'
        return f"<figure>{image}<figcaption>{_told(part.caption)}</figcaption></figure>"
    if isinstance(part, Points):
        told = "\n".join(f"<li><b>{_told(begin)}</b> {_told(sentence)}</li>" for begin, sentence in part.pairs)
        return f"<ul>\n{told}\n</ul>" if told else ""
    if isinstance(part, Links):
        told = " · ".join(_link(name, address) for name, address in part.addresses.items())
        return f"<p>{told}</p>" if told else ""
    if isinstance(part, Folded):
        told = _parts(part.parts)
        return f"<details>\n<summary>{_told(part.summary)}</summary>\n{told}\n</details>" if told else ""
    return f"<p>{_told(part)}</p>" if part else ""


def _told(text: str) -> str:
    """A text as it is, but for what stands between backticks, which is code."""
    return CODE.sub(r"<code>\1</code>", escape(text))


def _link(name: str, address: str) -> str:
    if address.startswith("http"):
        return f'<a href="{escape(address)}">{escape(name)}</a>'
    return f"{escape(name)}: <code>{escape(address)}</code>"


def _table(found: Table) -> str:
    top = "".join(f"<th>{_told(name)}</th>" for name in found.head)
    lines = "\n".join("<tr>" + "".join(f"<td>{_told(cell)}</td>" for cell in row) + "</tr>" for row in found.rows)
    return f"<table>\n<tr>{top}</tr>\n{lines}\n</table>"
