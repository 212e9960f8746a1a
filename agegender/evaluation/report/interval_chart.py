"""One metric of several groups with their intervals as a plot."""

from collections.abc import Mapping
from typing import Any

from agegender.escaping import in_plot
from agegender.evaluation.report.chart import BLUE, GREY, Chart
from agegender.evaluation.report.metric_table import interval_cell, text
from agegender.metrics.metric import Metric

SHOWN = 30  # groups


def interval_chart(
    name: str, title: str, metric: Metric, groups: Mapping[str, Mapping[str, Any]], overall: float | None, minimum: int
) -> Chart | None:
    """A line from the lower to the upper end of the 95% interval for each group, with a point at the value.

    Groups with fewer faces than the minimum are grey. If there are many groups, those with most faces are drawn.

    Args:
        name: Of the chart.
        title: Of the chart.
        metric: Which metric.
        groups: Metrics of each group.
        overall: The value of all faces.
        minimum: Number of faces.

    Returns:
        None if fewer than two groups have the metric.
    """
    known = {group: row for group, row in groups.items() if row.get(metric.key) is not None and row.get(f"{metric.key}_ci95")}
    if len(known) < 2:
        return None
    kept = sorted(known, key=lambda group: -known[group]["n"])[:SHOWN]
    rows = {group: known[group] for group in known if group in set(kept)}
    chart, axes = Chart.new(name, title, height=1.1 + 0.26 * len(rows))
    scale = 100 if metric.unit == "share" else 1
    for place, row in enumerate(rows.values()):
        colour = BLUE if row["n"] >= minimum else GREY
        value, (low, high) = row[metric.key], row[f"{metric.key}_ci95"]
        axes.plot([scale * low, scale * high], [place, place], color=colour, linewidth=2, alpha=0.5)
        (point,) = axes.plot([scale * value], [place], "o" if row["n"] >= minimum else "D", color=colour, markersize=5)
        group = list(rows)[place]
        few = "" if row["n"] >= minimum else "; too few faces to rank"
        chart.mark(
            point,
            f"{group}: {metric.title} {text(metric, value)}, 95% {interval_cell(metric, (low, high)).text} "
            f"({row['n']:,} faces{few})",
        )
    if overall is not None:
        axes.axvline(scale * overall, color="black", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(rows)), [_short(group) for group in rows])
    axes.set(xlabel=f"{metric.title} ({'%' if metric.unit == 'share' else metric.unit})", ylim=(len(rows) - 0.5, -0.5))
    chart.summary = (
        f"{metric.title} of each group with its 95% interval; {_better(metric)}. The dashed line is the value of all faces."
    )
    if len(known) > len(rows):
        chart.summary += f" The {len(rows)} groups with most faces, of {len(known):,}."
    return chart


def _short(group: str) -> str:
    return in_plot(group if len(group) <= 28 else f"{group[:27]}...")


def _better(metric: Metric) -> str:
    return {"smaller": "smaller is better", "larger": "larger is better", "zero": "0 is best"}[metric.better]
