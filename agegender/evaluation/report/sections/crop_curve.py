"""How the model depends on the crop: a curve of each main metric over the scales, for each dataset."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agegender.evaluation.crop_curve import advice
from agegender.evaluation.report.chart import BLUE, GREY, Chart
from agegender.evaluation.report.metric_table import value_cell
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.table import Cell, Table, TableRow
from agegender.metrics.metric import Metric
from agegender.metrics.registry import BY_KEY

TEXT = "data.crop_scale is the factor of the sides of the crop about its centre. It was measured on the validation split."
DRAWN = ("age_mae", "age_distance", "gender_accuracy")
TABLED = ("age_mae", "age_distance", "age_bias", "gender_accuracy")


def section(evidence: Evidence) -> Section | None:
    """Curves and a table for each dataset; None if the scales were not measured."""
    found = evidence.metrics.get("crop_curve")
    if not found:
        return None
    charts = [
        _curve(f"crop-curve-{number}-{metric.key}", name, curve, metric)
        for number, (name, curve) in enumerate(found.items())
        for metric in _measured(curve, DRAWN)
    ]
    tables = [_table(f"crop-scales-{number}", name, curve) for number, (name, curve) in enumerate(found.items())]
    return Section("crop-curve", "Crop", [TEXT, *(advice(name, curve) for name, curve in found.items())], charts, tables)


def _measured(curve: Mapping[str, Any], keys: tuple[str, ...]) -> list[Metric]:
    """The metrics that were measured, without one that repeats another."""
    values = {key: curve["values"][key] for key in keys if any(value is not None for value in curve["values"].get(key, []))}
    return [metric for key in values if not ((metric := BY_KEY[key]).repeats and values.get(metric.repeats) == values[key])]


def _curve(name: str, dataset: str, curve: Mapping[str, Any], metric: Metric) -> Chart:
    chart, axes = Chart.new(name, f"{metric.title} over the crop scale: {dataset}", height=2.8)
    x, y = np.array(curve["scales"]), np.array(curve["values"][metric.key], dtype=float)
    chart.points(axes, x, y, lambda index: f"{x[index]:g}: {metric.text(y[index])}", BLUE)
    axes.axvline(curve["used"], color=GREY, linewidth=0.8, linestyle="--")
    axes.set(xlabel="data.crop_scale (dashed: this test)", ylabel=metric.label)
    best = int(np.argmin(metric.badness(y)))
    used = curve["scales"].index(curve["used"])
    here, there = (f"{metric.text(y[place])} at {x[place]:g}" for place in (used, best))
    chart.summary = f"{metric.title} is {here}, the scale of this test; the best is {there}."
    return chart


def _table(name: str, dataset: str, curve: Mapping[str, Any]) -> Table:
    metrics = _measured(curve, TABLED)
    rows = [
        TableRow([Cell(f"{scale:g}", scale), *(value_cell(metric, curve["values"][metric.key][place]) for metric in metrics)])
        for place, scale in enumerate(curve["scales"])
    ]
    columns = ("data.crop_scale", *(metric.title for metric in metrics))
    return Table(name, f"Every scale: {dataset}, {curve['n']:,} faces", columns, rows)
