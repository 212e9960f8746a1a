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


@pytest.fixture(scope="module")
def text(evidence: Evidence) -> str:
    return rendered(evidence)


def test_the_contents_list_leads_to_every_section_and_ids_are_unique(text: str) -> None:
    found = Elements(text).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(attributes["href"]) for tag, attributes in found if tag == "a"]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    sections = [attributes["id"] for tag, attributes in found if tag == "section"]
    assert [link.removeprefix("#") for link in links if link != "#main"] == sections
    assert sections == ["words", "age", "age-gate", "gender", "groups", "uncertainty", "origin"]


def test_every_plot_has_a_text_for_people_who_cannot_see_it(text: str) -> None:
    plots = [attributes for tag, attributes in Elements(text).found if tag == "svg"]
    assert len(plots) >= 12
    assert all(plot["role"] == "img" and len(str(plot["aria-label"])) > 30 for plot in plots)


def test_the_page_needs_nothing_from_outside(text: str) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|url\((?!#)", text)
    assert not [
        tag
        for tag, attributes in Elements(text).found
        if "src" in attributes or (tag == "link" and "data:" not in str(attributes))
    ]


def test_names_from_outside_are_escaped(estimated: pd.DataFrame, make_evidence: Make) -> None:
    name, race, dataset, split, licence, backbone = hostile = [f"{number} {HOSTILE}" for number in range(6)]
    evidence = make_evidence(
        estimated.assign(race=race, dataset=dataset),
        name=name,
        licenses={licence: licence},
        config={"backbone": {"name": backbone}},
    )
    evidence.metrics["split"]["name"] = split
    elements = Elements(rendered(evidence))
    assert [one for one in hostile if one not in elements.text] == []
    assert [tag for tag, _ in elements.found].count("script") == 1


def test_many_faces_and_many_groups_give_a_small_page_that_says_what_is_left_out(
    make_faces: Callable[..., pd.DataFrame], make_evidence: Make
) -> None:
    faces = make_faces(4000)
    faces["race"] = [f"group {number % 1500}" for number in range(len(faces))]
    text = rendered(make_evidence(faces))
    assert len(text) < 2_000_000
    assert "The 200 groups with most faces, of 1,500; groups.csv and metrics.json have all." in text


@pytest.mark.parametrize("missing", ["age", "gender", "race", "labels"])
def test_what_was_not_measured_is_left_out(missing: str, estimated: pd.DataFrame, make_evidence: Make) -> None:
    estimated = estimated.copy()
    if missing == "age":
        estimated = estimated.drop(columns="age_pred")
    if missing == "gender":
        estimated = estimated.drop(columns="probability_female")
    if missing == "race":
        estimated["race"] = pd.array([pd.NA] * len(estimated), "string")
    if missing == "labels":
        estimated[["age_low", "age_high"]], estimated["gender"] = float("nan"), pd.NA
    text = rendered(make_evidence(estimated))
    assert ('id="age"' in text) == (missing not in ("age", "labels"))
    assert ('id="gender"' in text) == (missing not in ("gender", "labels"))
    assert ('id="groups-race"' in text) == (missing != "race")


def test_age_ranges_alone_and_one_face(estimated: pd.DataFrame, make_evidence: Make) -> None:
    ranges = estimated.assign(age_low=estimated["age_low"] // 10 * 10, age_high=estimated["age_low"] // 10 * 10 + 9)
    text = rendered(make_evidence(ranges, (0, 20, 40)))
    assert "label distance" in text and 'id="confusion-age-class"' in text and 'id="predicted-ages"' not in text
    assert "Predicted against labelled age" in rendered(make_evidence(estimated.head(1)))


def rows_of(text: str, table: str) -> dict[str, list[str]]:
    """The cells of a table by the text of the first one."""
    [body] = re.findall(rf'<table id="{table}".*?<tbody>(.*?)</tbody>', text, re.S)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in re.findall(r"<tr.*?</tr>", body, re.S)]
    return {cells[0]: cells[1:] for cells in rows}


def test_the_rates_of_the_age_gate_are_those_counted_by_hand(estimated: pd.DataFrame, make_evidence: Make) -> None:
    rows = rows_of(rendered(make_evidence(estimated)), "gate-groups-18")
    minors = estimated[estimated["age_low"] < 18]
    some = minors[minors["age_low"].between(14, 17)]
    for name, group in {"under 18": minors, "14-17 years": some, "female": minors[minors["gender"] == 1]}.items():
        passing = [100 * (group["age_pred"] >= threshold).mean() for threshold in (18, 25)]
        cells = rows[name]
        assert (cells[0], cells[1], cells[3]) == (str(len(group)), *(f"{rate:.1f}%" for rate in passing)), name


def test_gaps_name_the_worst_and_the_best_group(estimated: pd.DataFrame, make_evidence: Make) -> None:
    text = rendered(make_evidence(estimated))
    error = (estimated["age_pred"] - estimated["age_low"]).abs().groupby(estimated["race"]).mean().sort_values()
    best, worst = error.index[0], error.index[-1]
    assert f">{worst}: {error.iloc[-1]:.2f} years<" in text and f">{best}: {error.iloc[0]:.2f} years<" in text
    assert f">{error.iloc[-1] - error.iloc[0]:.2f} years<" in text


def test_small_groups_are_marked_in_words(estimated: pd.DataFrame, make_evidence: Make) -> None:
    estimated = estimated.copy()
    estimated.loc[:4, "race"] = "Rare"
    text = rendered(make_evidence(estimated))
    assert "Rare <small>(fewer than 30 faces: too few to rank)</small>" in text


def test_a_distribution_adds_its_calibration_and_intervals(with_distribution: pd.DataFrame, make_evidence: Make) -> None:
    text = rendered(make_evidence(with_distribution))
    for name in ("pit", "selective-age"):
        assert f'<figure id="{name}">' in text
    assert "from the predicted distribution" in text and "probability of being under 18" in text


def test_what_was_left_out_is_counted(estimated: pd.DataFrame, make_evidence: Make) -> None:
    evidence = make_evidence(estimated)
    evidence.metrics["audit"] = {"rows": 1000, "missing": 7, "extra": 3}
    evidence.metrics["excluded"] = {"byte_identical": 1, "near_identical": 4}
    rows = rows_of(rendered(evidence), "facts")
    assert rows["faces without an estimate, left out"] == ["7"] and rows["rows without a face, left out"] == ["3"]
    assert rows["faces left out because the model was trained on them"] == ["5"]


def test_age_ranges_that_contain_a_legal_age_are_counted(estimated: pd.DataFrame, make_evidence: Make) -> None:
    ranges = estimated.copy()
    ranges.loc[:9, "age_low"], ranges.loc[:9, "age_high"] = 10.0, 19.0
    assert "10 age ranges contain a legal age; these faces are excluded." in rendered(make_evidence(ranges))
