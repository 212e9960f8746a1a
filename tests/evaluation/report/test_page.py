"""The page: complete, escaped, small, the same every time, and without any address outside itself."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pandas as pd
import pytest

from agegender.evaluation.report.page import page
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import SECTIONS

HOSTILE = "</td><script>alert(1)</script>'\"&{{7*7}}=cmd"
Make = Callable[..., Evidence]


def rendered(evidence: Evidence) -> str:
    return page(evidence, [section for one in SECTIONS if (section := one.section(evidence))])


class Elements(HTMLParser):
    """Names and attributes of all elements, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_contents_list_leads_to_every_section_and_ids_are_unique(evidence: Evidence) -> None:
    found = Elements(rendered(evidence)).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(attributes["href"]) for tag, attributes in found if tag == "a"]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    sections = [attributes["id"] for tag, attributes in found if tag == "section"]
    assert [link.removeprefix("#") for link in links if link != "#main"] == sections
    assert {"words", "age", "gender", "groups", "origin"} <= set(sections)


def test_every_plot_has_a_text_for_people_who_cannot_see_it(evidence: Evidence) -> None:
    plots = [attributes for tag, attributes in Elements(rendered(evidence)).found if tag == "svg"]
    assert len(plots) >= 5
    assert all(plot["role"] == "img" and len(str(plot["aria-label"])) > 30 for plot in plots)


def test_the_page_needs_nothing_from_outside(evidence: Evidence) -> None:
    text = rendered(evidence)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|url\((?!#)", text)
    assert not [
        tag
        for tag, attributes in Elements(text).found
        if "src" in attributes or (tag == "link" and "data:" not in str(attributes))
    ]


@pytest.mark.parametrize("place", ["name", "race", "dataset", "split", "licence", "backbone"])
def test_names_are_escaped(place: str, faces: pd.DataFrame, make_evidence: Make) -> None:
    faces, more = faces.copy(), {}
    if place in ("race", "dataset"):
        faces[place] = HOSTILE
    if place == "name":
        more["name"] = HOSTILE
    if place == "licence":
        more["licenses"] = {HOSTILE: HOSTILE}
    if place == "backbone":
        more["config"] = {"backbone": {"name": HOSTILE}}
    evidence = make_evidence(faces, **more)
    if place == "split":
        evidence.metrics["split"]["name"] = HOSTILE
    elements = Elements(rendered(evidence))
    assert HOSTILE in elements.text
    assert [tag for tag, _ in elements.found].count("script") == 1


def test_the_same_evidence_gives_the_same_page(evidence: Evidence) -> None:
    assert rendered(evidence) == rendered(evidence)


def test_many_faces_and_many_groups_give_a_small_page_that_says_what_is_left_out(
    make_faces: Callable[..., pd.DataFrame], make_evidence: Make
) -> None:
    faces = make_faces(20_000)
    faces["race"] = [f"group {number % 1500}" for number in range(len(faces))]
    text = rendered(make_evidence(faces))
    assert len(text) < 2_000_000
    assert "The 200 largest of 1,500 groups; groups.csv has all." in text


@pytest.mark.parametrize("missing", ["age", "gender", "race", "labels"])
def test_what_was_not_measured_is_left_out(missing: str, faces: pd.DataFrame, make_evidence: Make) -> None:
    faces = faces.copy()
    if missing == "age":
        faces = faces.drop(columns="age_pred")
    if missing == "gender":
        faces = faces.drop(columns="probability_female")
    if missing == "race":
        faces["race"] = pd.array([pd.NA] * len(faces), "string")
    if missing == "labels":
        faces[["age_low", "age_high"]], faces["gender"] = float("nan"), pd.NA
    text = rendered(make_evidence(faces))
    assert ('id="age"' in text) == (missing not in ("age", "labels"))
    assert ('id="gender"' in text) == (missing not in ("gender", "labels"))
    assert ('id="groups-race"' in text) == (missing != "race")


def test_age_ranges_alone_and_one_face(faces: pd.DataFrame, make_evidence: Make) -> None:
    ranges = faces.assign(age_low=faces["age_low"] // 10 * 10, age_high=faces["age_low"] // 10 * 10 + 9)
    text = rendered(make_evidence(ranges, (0, 20, 40)))
    assert "label distance" in text and 'id="confusion-age-class"' in text and 'id="predicted-ages"' not in text
    assert "Predicted against labelled age" in rendered(make_evidence(faces.head(1)))
