"""Text of others is shown as it is spelled, in each medium, whatever it holds."""

import csv
import html
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agegender import escaping

settings.register_profile("same examples", derandomize=True, deadline=None)
settings.load_profile("same examples")

NASTY = ["\x1b[2J", "\n", "\r\n", "\u202e", "\u2028", "\0", "\x9b", "\udcff", "\\", "`", "*", "_", "[x](y)", "<script>", "&lt;",
         "|", "~~", "$x$", "# ", "- ", "+ ", "1. ", "12) ", "===", "---", "    ", "https://a.b", "www.a.b", "=1+1", "@SUM(A1)",
         "'", '"', "\t", "a", "é", "漢", "\u200c", " "]  # fmt: skip
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(NASTY), max_size=6).map("".join))
GITHUB, FUZZY = MarkdownIt("gfm-like"), MarkdownIt("gfm-like")
GITHUB.linkify.set({"fuzzy_link": False, "fuzzy_email": False})  # finds links in "0.BA", as GitHub does not


@given(TEXT)
def test_a_line_of_a_terminal_is_one_line_of_printable_characters(text: str) -> None:
    line = escaping.one_line(text)
    assert all(character.isprintable() or character in escaping.JOINERS for character in line)
    assert line.encode() and escaping.one_line(line) == line if line else not text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"), ("\u202egpj.exe", "\\u202egpj.exe"), ("caf\udce9", "caf\\xe9"),
        ("Zoë 漢字", "Zoë 漢字"),
        (OSError(2, "x\ny"), "[Errno 2] x\\ny"),
    ],
)  # fmt: skip
def test_unprintable_characters_are_spelled_out(text: object, line: str) -> None:
    assert escaping.one_line(text) == line


@given(TEXT)
@example("=HYPERLINK(1)")
@example("\t=1")
def test_no_cell_of_a_csv_file_is_a_formula(text: str) -> None:
    cell = escaping.csv_cell(text)
    assert not re.match(r"[=+\-@\t\r\n]", cell)
    assert cell.removeprefix("'") == escaping.one_line(text).removeprefix("'")
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow([cell, 1])
    assert file.getvalue().count("\n") == 1


@pytest.mark.parametrize("value", [None, -1, -0.5, True])
def test_numbers_stay_numbers_in_a_csv_file(value: object) -> None:
    assert escaping.csv_cell(value) is value


class Page(HTMLParser):
    """The tags and the text of HTML."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def as_rendered(text: str) -> str:
    """The line, without the spaces at its ends, which Markdown drops, and with those entities that a parser resolves."""
    return escaping.one_line(text).strip()


@given(TEXT)
@example("<img src=x onerror=1> [a](javascript:1) ![b](c) `d` **e** _f_ https://g.h www.i.j &amp; | ~~k~~")
def test_markdown_shows_a_line_as_it_is_spelled(text: str) -> None:
    page = Page(GITHUB.render(f"a paragraph\n\n{escaping.markdown(text)}\n\nanother\n"))
    assert page.tags == ["p"] * (3 if as_rendered(text) else 2)
    assert page.text.split("\n")[1] == as_rendered(text) or not as_rendered(text)


def test_markdown_makes_no_link_of_a_bare_address() -> None:
    assert "<a" in FUZZY.render("www.example.org") and "<a" not in FUZZY.render(escaping.markdown("www.example.org"))


@given(TEXT)
def test_markdown_shows_a_heading_and_a_cell_as_it_is_spelled(text: str) -> None:
    page = Page(GITHUB.render(f"## {escaping.markdown(text)}\n\n| a | b |\n|---|---|\n| {escaping.markdown(text)} | 1 |\n"))
    assert page.tags == ["h2", "table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert page.text.count(as_rendered(text)) >= 2


@given(TEXT)
def test_html_shows_text_as_it_is_spelled(text: str) -> None:
    escaped = escaping.html(text)
    assert html.unescape(escaped) == escaping.one_line(text)
    assert not set(escaped) & set("<>\"'\n\x1b")


@pytest.mark.parametrize("name", ["$\\frac{$", "_hidden", "a\nb", "$x$", "\x1b[0m"])
def test_a_plot_shows_a_name_as_it_is_spelled(name: str, tmp_path: object) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([1], label=escaping.in_plot(name))
    legend = axes.legend()
    figure.savefig(io.BytesIO())
    assert [text.get_text().strip().replace("\\$", "$") for text in legend.get_texts()] == [escaping.one_line(name)]
