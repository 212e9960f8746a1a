"""Sections, columns and legend of the printed text."""

from collections.abc import Callable
from pathlib import Path

from agegender.comparison.comparison import comparisons
from agegender.comparison.discovery import read
from agegender.comparison.rows import rows_of
from agegender.comparison.tables import as_text
from agegender.comparison.text import csv_pairs, sections
from agegender.metrics.registry import shown

Write = Callable[..., Path]


def found(*paths: Path) -> list:
    return comparisons(rows_of([read(path) for path in paths])[0])


def titles(*paths: Path) -> str:
    return next(line for line in as_text(sections(found(*paths), ())).splitlines() if line.startswith("model "))


def test_a_section_for_each_table_and_a_legend_of_every_column(write_run: Write) -> None:
    made = sections(found(write_run("a", [1.0]), write_run("b", [2.0, 3.0], image_size=1)), ["c: not tested"])
    assert [section.heading for section in made] == [
        "Table 1: 1 test faces of utkface", "Table 2: 2 test faces of utkface", "Left out", "How to read this",
    ]  # fmt: skip
    legend = as_text(made[-1:])
    assert all(f"{metric.title}: {metric.meaning}" in legend for metric in shown("table"))


def test_only_measured_metrics_have_columns_and_the_distance_only_beside_ranges(write_run: Write) -> None:
    assert titles(write_run("a", [1.0])).split("  ")[0] == "model"
    exact = titles(write_run("b", [1.0, 2.0]))
    assert "MAE" in exact and "gap MAE" in exact and "distance" not in exact and "gender" not in exact
    ranges = titles(write_run("c", [1.0, 2.0], width=5))
    assert "label distance" in ranges and "RMSE" not in ranges


def test_pairs_have_the_key_of_their_metric(write_run: Write) -> None:
    tables = found(write_run("a", [1.0, 2.0], name="a"), write_run("b", [1.0, 3.0], name="b", image_size=1))
    (pair,) = (pair for pair in csv_pairs(tables) if pair["metric"] == "age_mae")
    assert (pair["table"], pair["first"], pair["second"], pair["value"]) == (1, "a", "b", -0.5)


def test_overlapping_test_splits_of_a_benchmark_are_counted(write_run: Write) -> None:
    split = {"_target_": "agegender.data.benchmark.BenchmarkSplit", "benchmark": "/f/A.yaml"}
    runs = [write_run(f"{number}", [1.0] * (20 + number), split=split | {"number": number}) for number in range(2)]
    shown = as_text(sections(found(*runs), ()))
    assert "2 sets of 20 or 21 test faces of utkface, one for each fold" in shown
    assert "20 faces are in several of the test sets: the folds are not independent" in shown
    apart = [
        write_run(f"apart {number}", [1.0] * 20, faces=f"{number}", split=split | {"number": number}) for number in range(2)
    ]
    assert "several of the test sets" not in as_text(sections(found(*apart), ()))
