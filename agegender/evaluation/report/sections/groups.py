"""For whom the model is good: the same metrics for each group of people."""

from collections.abc import Mapping
from typing import Any

from agegender.evaluation.report.metric_table import value_cell
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.table import Cell, Table, TableRow
from agegender.metrics.registry import shown

KINDS = {
    "age_decade": "By age",
    "gender": "By gender, as labelled",
    "race": "By race, as labelled",
    "race_gender": "By race and gender, as labelled",
}
SHOWN = 200  # rows of a table; more make a page slow
FEW = 30  # faces

TEXT = "Labels of gender and race are appearance as judged by others or by a model. Click a column heading to sort."


def section(evidence: Evidence) -> Section | None:
    """A table for each kind of group that the test has."""
    groups = evidence.values.get("by_group") or {}
    tables = [_table(kind, title, groups[kind]) for kind, title in KINDS.items() if groups.get(kind)]
    return Section("groups", "Groups of people", [TEXT], [], tables) if tables else None


def _table(kind: str, title: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    metrics = [metric for metric in shown("summary") if any(row.get(metric.key) is not None for row in groups.values())]
    metrics = [metric for metric in metrics if not (metric.repeats and _repeats(metric.key, metric.repeats, groups))]
    largest = sorted(groups.items(), key=lambda item: -item[1]["n"])[:SHOWN]
    rows = [
        TableRow(
            [
                Cell(str(name)),
                Cell(f"{groups[name]['n']:,}", groups[name]["n"]),
                *(value_cell(metric, groups[name].get(metric.key)) for metric in metrics),
            ],
            "fewer than 30 faces: too few to rank" if groups[name]["n"] < FEW else "",
        )
        for name in groups
        if name in dict(largest)
    ]
    note = f"The {SHOWN} largest of {len(groups):,} groups; groups.csv has all." if len(groups) > SHOWN else ""
    return Table(f"groups-{kind.replace('_', '-')}", title, ("group", "faces", *(m.title for m in metrics)), rows, note)


def _repeats(key: str, other: str, groups: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(row.get(key) == row.get(other) for row in groups.values())
