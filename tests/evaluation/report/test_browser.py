"""The report in a real headless Chromium: at the width of a desk, at that of a phone, and in print."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect, sync_playwright

from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import write_report
from agegender.runs.run_directory import RunDirectory

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = {"desktop": (1280, 900), "phone": (375, 740)}
PRINT = (718, 1000)  # A4 at 96 dpi without margins of 1 cm


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here; scripts/install_chromium.sh installs it with apt-get, as root")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(evidence: Evidence, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunDirectory(tmp_path_factory.mktemp("report"))
    write_report(run, evidence)
    return run.report


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Any, report: Path) -> Iterator[Any]:
    """The open page; at its end nothing was asked of outside, and nothing was complained about."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=request.param == "phone")
    page = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: requests.append(sent.url))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]


def column(page: Any, table: str, number: int) -> list[Any]:
    return list(
        page.evaluate(f"[...document.querySelectorAll('#{table} tbody tr')].map(row => row.cells[{number}].textContent)")
    )


def test_nothing_is_wider_than_the_screen(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    sizes = page.evaluate("[...document.querySelectorAll('figure svg')].map(one => one.getBoundingClientRect().width)")
    assert len(sizes) >= 5 and min(sizes) > 200


def test_a_table_sorts_by_any_column_both_ways(page: Any) -> None:
    table = "groups-race"
    headings = page.locator(f"#{table} thead th")
    before = column(page, table, 0)
    headings.nth(1).get_by_role("button").click()
    faces = [int(text.replace(",", "")) for text in column(page, table, 1)]
    assert faces == sorted(faces, reverse=True) and headings.nth(1).get_attribute("aria-sort") == "descending"
    headings.nth(1).get_by_role("button").press("Enter")
    assert [int(text.replace(",", "")) for text in column(page, table, 1)] == faces[::-1]
    headings.nth(0).get_by_role("button").click()
    assert column(page, table, 0) == sorted(before)
    assert page.locator(f"#{table} [aria-sort]").count() == 1


def test_pointing_at_a_mark_shows_its_text(page: Any) -> None:
    mark = page.locator("#cumulative-score [data-text]").nth(4)
    mark.scroll_into_view_if_needed()
    page.mouse.move(5, 5)
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hint = page.locator("#hint")
    assert hint.is_visible() and "of faces within 5 years" in hint.inner_text() == mark.get_attribute("data-text")
    place = hint.bounding_box()
    assert place["x"] >= 0 and place["x"] + place["width"] <= page.viewport_size["width"]
    page.mouse.move(1, 1)
    assert not hint.is_visible()


def test_arrow_keys_walk_along_the_marks(page: Any) -> None:
    plot = page.locator("#cumulative-score svg")
    plot.focus()
    page.wait_for_timeout(50)
    shown = []
    for _ in range(3):
        plot.press("ArrowRight")
        shown.append(page.locator("#hint").inner_text())
    texts = [page.locator("#cumulative-score [data-text]").nth(number).get_attribute("data-text") for number in range(3)]
    assert shown == texts
    plot.press("Escape")
    assert not page.locator("#hint").is_visible()


def test_the_contents_list_leads_to_a_section(page: Any) -> None:
    page.get_by_role("navigation").get_by_text("Model and data").click()
    expect(page.get_by_role("heading", name="Model and data")).to_be_in_viewport()


def test_in_print_nothing_is_cut_and_controls_are_gone(browser: Any, report: Path, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": PRINT[0], "height": PRINT[1]})
    page.goto(report.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= PRINT[0]
    wide = page.evaluate(
        "[...document.querySelectorAll('table, svg, p, h1, h2')]"
        ".filter(one => one.offsetParent !== null && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.id)"
    )
    assert wide == []
    assert not page.locator("details").first.is_visible()
    printed = page.pdf(
        path=tmp_path / "report.pdf", format="A4", margin={side: "1cm" for side in ("top", "bottom", "left", "right")}
    )
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") >= 2
    page.close()
