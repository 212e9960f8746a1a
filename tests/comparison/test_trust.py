"""Columns of a comparison for fairness and uncertainty."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agegender.comparison.comparison import comparisons, record
from agegender.comparison.discovery import read
from agegender.comparison.rows import rows_of
from agegender.comparison.text import sections
from agegender.comparison.trust import group_gap, interval_width

Write = Callable[..., Path]


def with_measures(folder: Path, gap: float, width: float) -> Path:
    """Adds what a test of this version measures."""
    metrics = json.loads((folder / "metrics.json").read_text())
    levels = {"90": {"conformal": {"width": width}, "quantile": {"width": width + 1}}}
    metrics["test"] |= {
        "fairness": {"kinds": {"gender": {"age_mae": {"gap": gap}, "gender_accuracy": {"gap": 0.05}}, "race": {}}},
        "uncertainty": {"age": {"levels": levels}},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def test_the_group_gap_and_the_interval_are_columns(write_run: Write) -> None:
    errors = [1.0, -2.0, 3.0] * 4
    places = [
        with_measures(write_run("a", errors, seed=0), 2.5, 20.0),
        with_measures(write_run("b", errors, seed=1), 3.5, 22.0),
    ]
    runs = [read(place) for place in [*places, write_run("old", errors, name="old")]]
    assert (group_gap(runs[0], "age_mae"), interval_width(runs[0])) == (2.5, 20)
    assert group_gap(runs[2], "age_mae") is interval_width(runs[2]) is None
    found = comparisons(rows_of(runs)[0])
    (entry,) = [record(row, ()) for row in found[0].rows if len(row.runs) == 2]
    assert (entry["group_gap_age_mae"], entry["interval_width_90"]) == (3, 21)
    assert entry["group_gap_gender_accuracy"] == pytest.approx(0.05)
    table = next(one for one in sections(found, [])[0].content if not isinstance(one, str))
    by_row = {row[table.titles.index("seeds")]: dict(zip(table.titles, row, strict=True)) for row in table.rows}
    assert by_row["2"]["group gap MAE"] == "3.00" and by_row["2"]["90% interval"] == "21.0 years"
    assert by_row["1"]["group gap MAE"] == "-"


def test_the_share_of_minors_that_pass_is_a_column_where_there_are_minors(write_run: Write) -> None:
    run = read(write_run("a", [1.0] * 5))
    assert run.metric("age_minors_passed") is None and record(rows_of([run])[0][0], ())["age_minors_passed"] is None
