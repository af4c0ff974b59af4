"""Documents: one text, two prints, and no name that breaks either."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_mlops.core.documents.markdown import as_markdown, plain
from prefect_mlops.core.documents.page import as_page
from prefect_mlops.core.documents.parts import Document, Folded, Links, Picture, Points, Section, Table

HOSTILE = "a|b <script>alert(1)</script> ![p](http://a.invalid) *x* `y`\n# z"
WHOLE = Document(
    "A",
    ["A sentence.", Links({"MLflow": "http://mlflow.invalid/run", "place": "here"})],
    [
        Section("Bees", [Table(["x"], [["1"]]), Picture("p", b"png"), Points([("one:", "two.")])]),
        Section("C", [Folded("more", [Table(["y"], [["2"]])])]),
        Section("Nothing", ["", Table(["z"], []), Folded("none", []), Points([]), Links({})]),
    ],
)


@pytest.mark.parametrize("show", [as_markdown, as_page], ids=["Markdown", "page"])
def test_a_document_shows_its_parts_in_order_and_no_section_without_any(show: Callable[[Document], str]) -> None:
    shown = show(WHOLE)
    places = [shown.index(said) for said in ("A sentence.", "MLflow", "Bees", "cG5n", "one:", "two.", "more")]

    assert places == sorted(places)
    assert "Nothing" not in shown


def test_no_name_speaks_markdown() -> None:
    shown = as_markdown(Document(HOSTILE, [HOSTILE], [Section(HOSTILE, [Table([HOSTILE], [[HOSTILE]])])]))

    assert not re.search(r"(?<!\\)(<script|!\[|`|\*x)", shown.replace(r"!\[", ""))
    assert len([line for line in shown.split("\n") if line.startswith("#")]) == 2
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in shown.split("\n") if line.startswith("|")} == {2}


@given(st.text())
def test_any_text_is_one_line_that_begins_no_block(text: str) -> None:
    shown = plain(text)

    assert "\n" not in shown
    assert not re.match(r"(#{1,6}|[-+*]|\d+[.)]|>|=+|```)(\s|$)", shown)


def test_no_name_speaks_html() -> None:
    page = as_page(Document(HOSTILE, [HOSTILE], [Section(HOSTILE, [Points([(HOSTILE, HOSTILE)])])]))

    assert "<script" not in page
    assert "default-src 'none'" in page
    assert as_page(WHOLE).count("<img") == 1
