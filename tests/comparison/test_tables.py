"""One table in four forms."""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

from agegender.comparison.tables import Section, TextTable, as_csv, as_html, as_markdown, as_text

NASTY = "a|b <script>&\nc"
SPELLED = NASTY.replace("\n", "\\n")
SECTIONS = [Section("Heading <1>", ["a line & more", TextTable(["name", "MAE"], [[NASTY, "4.5"], ["x", "12.25"]])])]


def test_text_aligns_numbers_to_the_right() -> None:
    lines = as_text([Section("H", [TextTable(["name", "MAE"], [["long name", "4.5"], ["x", "12.25"]])])]).splitlines()
    assert lines == ["H", "-", "name         MAE", "----------------", "long name    4.5", "x          12.25"]


def test_markdown_cells_stay_in_their_column() -> None:
    lines = as_markdown(SECTIONS).splitlines()
    assert r"| a\|b \<script\>\&\\nc | 4.5 |" in lines
    assert lines[lines.index("| name | MAE |") + 1] == "|---|---:|"


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_is_one_page_with_its_pictures_and_escapes_text(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    page = Cells()
    page.feed(as_html([*SECTIONS, Section("P", pictures=["a.png"])], "T & T", tmp_path))
    assert SPELLED in page.text and "Heading <1>" in page.text and "T & T" in page.text
    assert "script" not in page.tags and page.tags.count("td") == 4
    assert 'src="data:image/png;base64,iVBORw=="' in as_html([Section("P", pictures=["a.png"])], "T", tmp_path)


def test_csv_keeps_numbers_and_the_union_of_columns() -> None:
    rows = list(
        csv.DictReader(io.StringIO(as_csv([{"name": NASTY, "mae": 4.123456789}, {"name": "x", "flops": None, "n": 3}])))
    )
    assert rows == [
        {"name": SPELLED, "mae": "4.123456789", "flops": "", "n": ""},
        {"name": "x", "mae": "", "flops": "", "n": "3"},
    ]
