"""A chart as files and inside a page."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from agegender.evaluation.report.chart import BLUE, LISTED, Chart


def example(name: str = "example", points: int = 3) -> Chart:
    chart, axes = Chart.new(name, "A < B & C")
    chart.points(axes, range(points), range(points), lambda i: f'point "{i}" <b>', BLUE)
    chart.summary = "It rises."
    return chart


def test_the_same_plot_gives_the_same_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        example().write(tmp_path / folder)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["example.png", "example.svg"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert (tmp_path / "one" / "example.png").read_bytes().startswith(b"\x89PNG")
    ElementTree.parse(tmp_path / "one" / "example.svg")
    assert example().inline() == example().inline()


def test_marks_have_their_texts_and_no_others_do() -> None:
    root = ElementTree.fromstring(example().inline())
    texts = [element.get("data-text") for element in root.iter() if "data-text" in element.attrib]
    assert texts == [f'point "{i}" <b>' for i in range(3)] == example().listed
    assert root.get("role") == "img" and root.get("aria-label") == "A < B & C. It rises."


def test_ids_of_two_charts_on_a_page_differ_and_references_lead_to_them() -> None:
    roots = [ElementTree.fromstring(example(name).inline()) for name in ("one", "two")]
    ids = [element.get("id") for root in roots for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for root in roots:
        own = {element.get("id") for element in root.iter()}
        values = [value for element in root.iter() for key, value in element.attrib.items() if key != "data-text"]
        used = {value.strip("url()#") for value in values if value.startswith(("#m", "#o", "#t", "url(#"))}
        assert used and used <= own


def test_text_stays_text_and_nothing_is_fetched() -> None:
    svg = example().inline()
    assert "<text" in svg and "metadata" not in svg
    assert not [part for part in svg.split('"') if part.startswith("http") and not part.startswith("http://www.w3.org/")]


@pytest.mark.parametrize(("points", "listed"), [(LISTED, LISTED), (LISTED + 1, 0)])
def test_texts_are_listed_if_a_person_can_read_them_all(points: int, listed: int) -> None:
    assert len(example(points=points).listed) == listed
