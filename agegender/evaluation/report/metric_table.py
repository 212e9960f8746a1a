"""Metrics of the registry as tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from agegender.evaluation.report.table import Cell, Table, TableRow
from agegender.metrics.metric import Metric


def metric_table(
    name: str, title: str, metrics: Iterable[Metric], values: Mapping[str, Any], guess: Mapping[str, Any]
) -> Table:
    """A row for each metric that was measured: value, 95% interval, number of faces, the value of a baseline, meaning.

    Args:
        name: Of the table.
        title: Shown above it.
        metrics: In order.
        values: Of one split.
        guess: Values of the baseline; empty if there is none.
    """
    rows = []
    for metric in metrics:
        value = values.get(metric.key)
        if value is None or (metric.repeats and values.get(metric.repeats) == value):
            continue
        n = values.get(f"n_{metric.needs.key}") if metric.needs else None
        cells = [
            Cell(metric.title),
            value_cell(metric, value),
            interval_cell(metric, values.get(f"{metric.key}_ci95")),
            Cell("" if n is None else f"{n:,}", n),
            value_cell(metric, guess.get(metric.key)),
            Cell(metric.meaning),
        ]
        rows.append(TableRow(cells))
    return Table(name, title, ("metric", "value", "95% interval", "faces", "baseline", "meaning"), rows)


def value_cell(metric: Metric, value: float | None) -> Cell:
    """A value with its unit; ``-`` if it was not measured."""
    if value is None:
        return Cell("-")
    return Cell(text(metric, value), value)


def interval_cell(metric: Metric, ends: Iterable[float] | None) -> Cell:
    """A 95% interval, sorted by its lower end; ``-`` if there is none."""
    if ends is None:
        return Cell("-")
    low, high = ends
    return Cell(f"{text(metric, low).removesuffix(' years')} to {text(metric, high)}", low)


def text(metric: Metric, value: float) -> str:
    """A value as a page shows it: shares in percent with one decimal."""
    shown = metric.text(value, decimals=1 if metric.unit == "share" else 2)
    return f"{shown} years" if metric.unit == "years" else shown


def percent(share: float) -> str:
    """A share as percent with one decimal."""
    return f"{100 * share:.1f}%"


def percents(ends: Iterable[float]) -> str:
    """An interval of shares as percent."""
    return " to ".join(percent(end) for end in ends)


def share_cells(share: float, ends: Iterable[float]) -> list[Cell]:
    """A share and its 95% interval, which is sorted by its lower end."""
    low, high = ends
    return [Cell(percent(share), share), Cell(percents((low, high)), low)]
