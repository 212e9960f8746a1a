"""How much worse the model is on changed images: a curve for each kind of change."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agegender.evaluation.report.chart import BLUE, GREY, Chart
from agegender.evaluation.report.metric_table import value_cell
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.table import Cell, Table, TableRow
from agegender.metrics.metric import Metric
from agegender.metrics.registry import BY_KEY

TEXT = "{n:,} faces, changed in graded ways at the size that the network sees. Only the images differ, so a gap is not chance."
ARTIFICIAL = "artificial: the change invents pixels that no camera would record, so the numbers are a hint only"
MAIN = ("age_mae", "age_distance", "gender_accuracy")  # the first that was measured is drawn
TABLED = ("age_mae", "age_distance", "age_bias", "gender_accuracy")


def section(evidence: Evidence) -> Section | None:
    """A curve and the rows of a table for each corruption; None if robustness was not measured."""
    found = evidence.metrics.get("robustness")
    if not found:
        return None
    clean = found["clean"]
    key = next((key for key in MAIN if clean.get(key) is not None), None)
    charts = [_curve(kind, one, clean, BY_KEY[key]) for kind, one in found["corruptions"].items()] if key else []
    return Section("robustness", "Robustness", [TEXT.format(n=found["n"])], charts, [_table(found)])


def _curve(kind: str, corruption: Mapping[str, Any], clean: Mapping[str, Any], metric: Metric) -> Chart:
    hint = " (artificial)" if corruption["artificial"] else ""
    chart, axes = Chart.new(f"robustness-{kind}", f"{metric.title}: {corruption['title']}{hint}", height=2.4)
    levels, values = ["none", *map(str, corruption["levels"])], [clean[metric.key], *corruption["values"][metric.key]]
    x, y = np.arange(len(levels)), np.array(values, dtype=float)
    chart.points(axes, x, y, lambda index: f"{levels[index]}: {metric.text(y[index])}", BLUE)
    axes.axhline(y[0], color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xticks(x, levels)
    axes.set(xlabel=corruption["unit"] or corruption["title"], ylabel=metric.label, ylim=(0, None))
    worst = max(range(len(values)), key=lambda index: metric.badness(values[index]))
    chart.summary = (
        f"{metric.title} is {metric.text(y[0])} on unchanged faces; the worst is {metric.text(y[worst])}, at {levels[worst]}."
    )
    return chart


def _table(found: Mapping[str, Any]) -> Table:
    clean = found["clean"]
    metrics = [BY_KEY[key] for key in TABLED if clean.get(key) is not None]
    rows = [TableRow([Cell("none"), Cell(""), *(value_cell(metric, clean[metric.key]) for metric in metrics)])]
    for one in found["corruptions"].values():
        for place, level in enumerate(one["levels"]):
            cells = [value_cell(metric, one["values"][metric.key][place]) for metric in metrics]
            number = float(level) if isinstance(level, int | float) else None
            note = ARTIFICIAL if one["artificial"] else ""
            rows.append(TableRow([Cell(one["title"]), Cell(f"{level} {one['unit']}".strip(), number), *cells], note))
    columns = ("change", "level", *(metric.title for metric in metrics))
    return Table("robustness-levels", "Every change and level", columns, rows)
