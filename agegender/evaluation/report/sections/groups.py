"""For whom the model is good: the same metrics for each group of people, and the gaps between groups."""

from collections.abc import Mapping, Sequence
from typing import Any

from agegender.evaluation.report.interval_chart import interval_chart
from agegender.evaluation.report.metric_table import interval_cell, text, value_cell
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.table import Cell, Table, TableRow
from agegender.metrics.registry import BY_KEY, shown

KINDS = {
    "age_decade": "by decade of age",
    "age_band": "by age range",
    "gender": "by gender, as labelled",
    "race": "by race, as labelled",
    "race_gender": "by race and gender, as labelled",
    "age_band_gender": "by age range and gender",
    "age_band_race": "by age range and race",
    "age_band_race_gender": "by age range, race and gender",
    "dataset": "by dataset",
}
CHARTS = (("race_gender", "age_mae"), ("race_gender", "gender_accuracy"), ("age_band", "gender_accuracy"))
GATE = "age_minors_passed"  # a metric of the gaps that is no headline
MINIMUM = 30  # faces of a group that is ranked, if the test does not say it

TEXT = (
    "Labels of gender and race are appearance as judged by others or by a model. A gap is the difference between the worst and "
    "the best group. Its p-value is of a test of the worst group against all others, corrected for the number of tests (Holm): "
    "below 0.05, the difference is larger than chance explains. Click a heading to sort."
)


def section(evidence: Evidence) -> Section | None:
    """Gaps between groups, plots of the main metrics, and a table for each kind of group."""
    values = evidence.values
    groups = {kind: values["by_group"][kind] for kind in KINDS if (values.get("by_group") or {}).get(kind)}
    if not groups:
        return None
    fairness = values.get("fairness") or {}
    minimum = fairness.get("minimum", MINIMUM)
    tables = _gaps(fairness) + [_table(kind, rows, minimum) for kind, rows in groups.items()]
    charts = []
    for kind, key in CHARTS:
        metric = BY_KEY[key]
        name, title = f"groups-{kind}-{key}".replace("_", "-"), f"{metric.title} {KINDS[kind]}"
        if chart := interval_chart(f"{name}-chart", title, metric, groups.get(kind, {}), values.get(key), minimum):
            charts.append(chart)
    return Section("groups", "Groups of people", [TEXT], charts, tables)


def _gaps(fairness: Mapping[str, Any]) -> list[Table]:
    """A row for each kind of group and each metric of the comparisons."""
    rows = []
    for kind, metrics in (fairness.get("kinds") or {}).items():
        for metric in (*shown("headline"), *(one for one in shown("table") if one.key == GATE)):
            gap = metrics.get(metric.key)
            if gap is None or (metric.repeats and metrics.get(metric.repeats, {}).get("gap") == gap["gap"]):
                continue
            p = gap.get("p_holm")
            cells = [
                Cell(KINDS.get(kind, kind).removeprefix("by ")),
                Cell(metric.title),
                Cell(f"{gap['worst']}: {text(metric, gap['worst_value'])}"),
                Cell(f"{gap['best']}: {text(metric, gap['best_value'])}"),
                Cell(_size(metric.unit, gap["gap"]), gap["gap"]),
                _interval(metric.unit, gap["gap_ci95"]) if gap.get("gap_ci95") else Cell("-"),
                Cell("-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}", p),
                Cell(f"{gap['n_ranked']:,}", gap["n_ranked"]),
            ]
            rows.append(TableRow(cells))
    columns = ("groups", "metric", "worst", "best", "gap", "95% interval", "p", "groups ranked")
    return [Table("gaps", "Gaps between the worst and the best group", columns, rows)] if rows else []


def _size(unit: str, gap: float) -> str:
    return f"{100 * gap:.1f} points" if unit == "share" else f"{gap:.2f} {unit}".strip()


def _interval(unit: str, ends: Sequence[float]) -> Cell:
    low, high = (_size(unit, end) for end in ends)
    return Cell(f"{low.partition(' ')[0]} to {high}", ends[0])


def _table(kind: str, groups: Mapping[str, Mapping[str, Any]], minimum: int) -> Table:
    metrics = [metric for metric in shown("table") if any(row.get(metric.key) is not None for row in groups.values())]
    metrics = [metric for metric in metrics if not (metric.repeats and _repeats(metric.key, metric.repeats, groups))]
    with_interval = {
        metric
        for metric in metrics
        if metric.shown == "headline" and any(row.get(f"{metric.key}_ci95") for row in groups.values())
    }
    rows = []
    for name, row in groups.items():
        cells = [Cell(str(name)), Cell(f"{row['n']:,}", row["n"])]
        for metric in metrics:
            cells.append(value_cell(metric, row.get(metric.key)))
            if metric in with_interval:
                cells.append(interval_cell(metric, row.get(f"{metric.key}_ci95")))
        rows.append(TableRow(cells, f"fewer than {minimum} faces: too few to rank" if row["n"] < minimum else ""))
    columns = ["group", "faces"]
    for metric in metrics:
        columns += [metric.title, "95% interval"] if metric in with_interval else [metric.title]
    title = f"Metrics {KINDS[kind]}"
    return Table.of_groups(f"groups-{kind.replace('_', '-')}", title, columns, rows)


def _repeats(key: str, other: str, groups: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(row.get(key) == row.get(other) for row in groups.values())
