"""Documents: one text, two prints, and no name that breaks either."""

import re
from collections.abc import Callable
from html import unescape

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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Name `at_least` or `at_most`.", "Name <code>at_least</code> or <code>at_most</code>."),
        ('(`<b onclick="x">`)', "(<code>&lt;b onclick=&quot;x&quot;&gt;</code>)"),
        ("`</code><script>`", "<code>&lt;/code&gt;&lt;script&gt;</code>"),
        ("'a`b' is not 'c`d'; name `on`", "&#x27;a`b&#x27; is not &#x27;c`d&#x27;; name <code>on</code>"),
        ("`` ` ``x`` ``a`", "`` ` ``x`` ``a`"),
    ],
)
def test_what_stands_between_backticks_is_code_on_the_page_and_speaks_no_html(text: str, shown: str) -> None:
    page = as_page(Document("A", [text], [Section("B", [Table(["x"], [[text]]), Points([("y:", text)])])]))

    assert f"<p>{shown}</p>" in page
    assert f"<td>{shown}</td>" in page
    assert f"<li><b>y:</b> {shown}</li>" in page


@given(st.text("`<>a \"'&/"))
def test_backticks_of_a_name_open_nothing_but_code_and_lose_no_other_character(text: str) -> None:
    shown = as_page(Document("A", [f"x{text}"], [])).split("<p>")[1].split("</p>")[0]
    bare = re.sub(r"</?code>", "`", shown)

    assert shown.count("<code>") == shown.count("</code>")
    assert "<" not in bare
    assert unescape(bare) == f"x{text}"
