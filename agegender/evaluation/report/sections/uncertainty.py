"""How sure the estimates are: age intervals, probabilities of gender, and what abstaining brings."""

from collections.abc import Mapping, Sequence
from typing import Any

from agegender.evaluation.report.chart import BLUE, GREY, RED, Chart
from agegender.evaluation.report.metric_table import percent, share_cells
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.table import Cell, Table, TableRow

METHODS = {"conformal": "the same width for all", "quantile": "from the predicted distribution"}
SHOWN_LEVEL = "90"


def section(evidence: Evidence) -> Section | None:
    """Coverage and width of age intervals, calibration of both tasks, selective prediction."""
    found = evidence.values.get("uncertainty")
    if not found:
        return None
    charts, tables, notes = [], [], []
    age, gender, selective = (found.get(key) or {} for key in ("age", "gender", "selective"))
    text = []
    if age.get("levels"):
        text.append(
            "An age interval of 90% is built to hold the labelled age of 90 of 100 faces (split conformal prediction). Its "
            "coverage is measured on faces that were not used to build it."
        )
        tables.append(_coverage(age["levels"]))
        tables += _coverage_by_group(age["levels"])
    elif age.get("reason"):
        notes.append(f"There are no age intervals: {age['reason']}.")
    if (found.get("distribution") or {}).get("pit"):
        charts.append(_pit(found["distribution"]["pit"]))
    if gender.get("reliability"):
        charts.append(_reliability(gender))
    elif gender.get("reason"):
        notes.append(f"The probability of gender is not calibrated: {gender['reason']}.")
    for task, what, unit in ("age", "MAE", "years"), ("gender", "error", "%"):
        if selective.get(task):
            charts.append(_selective(task, what, unit, selective[task]))
    if not (charts or tables or notes):
        return None
    return Section("uncertainty", "Uncertainty", text, charts, tables, notes)


def _coverage(levels: Mapping[str, Any]) -> Table:
    rows = []
    for level, found in levels.items():
        for method, name in METHODS.items():
            if own := found.get(method):
                cells = [
                    Cell(f"{level}%", float(level)),
                    Cell(name),
                    *share_cells(own["coverage"], own["coverage_ci95"]),
                    Cell(f"{own['width']:.1f} years", own["width"]),
                ]
                rows.append(TableRow(cells))
    columns = ("promised", "interval", "coverage", "95% interval", "mean width")
    return Table("coverage", "Age intervals: promised and measured coverage", columns, rows)


def _coverage_by_group(levels: Mapping[str, Any]) -> list[Table]:
    groups = (levels.get(SHOWN_LEVEL) or {}).get("by_group") or {}
    rows = [
        TableRow(
            [
                Cell(f"{name} years" if kind == "age_band" else str(name)),
                Cell(f"{row['n']:,}", row["n"]),
                Cell(percent(row["coverage"]), row["coverage"]),
                Cell(f"{row['width']:.1f} years", row["width"]),
            ]
        )
        for kind, own in groups.items()
        for name, row in own.items()
        if row["n"]
    ]
    note = "A group with less than the promised coverage gets intervals that are too narrow for it."
    title = f"Coverage of the {SHOWN_LEVEL}% interval by group"
    return [Table.of_groups("coverage-groups", title, ("group", "faces", "coverage", "mean width"), rows, note)] if rows else []


def _pit(pit: Mapping[str, Sequence[float]]) -> Chart:
    chart, axes = Chart.new("pit", "Calibration of the age distribution")
    edges, shares = pit["edges"], pit["share"]
    for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True):
        (bar,) = axes.bar((low + high) / 2, 100 * share, 0.92 * (high - low), color=BLUE)
        chart.mark(bar, f"{percent(share)} of the labels between {low:.0%} and {high:.0%} of their distribution")
    axes.axhline(100 / len(shares), color="black", linewidth=0.8, linestyle="--")
    axes.set(xlabel="place of the label in the predicted distribution", ylabel="faces (%)", xlim=(0, 1))
    chart.summary = (
        "Equal bars mean that the predicted distributions of age have the right width. High outer bars: too narrow. "
        "High middle bars: too wide."
    )
    return chart


def _reliability(gender: Mapping[str, Any]) -> Chart:
    chart, axes = Chart.new("reliability", "Calibration of the probability of female")
    axes.plot([0, 100], [0, 100], color="black", linewidth=0.8)
    for key, colour, style, label in (
        ("reliability", RED, "-", "as predicted"),
        ("reliability_scaled", BLUE, "--", f"with temperature {gender['temperature']:.2f}"),
    ):
        bins = [one for one in gender[key] if one["n"]]
        texts = [
            f"{label}: {percent(one['predicted'])} predicted, {percent(one['labelled'])} labelled female ({one['n']:,} faces)"
            for one in bins
        ]
        x, y = ([100 * one[name] for one in bins] for name in ("predicted", "labelled"))
        chart.points(axes, x, y, texts.__getitem__, colour, style, label=label)
    axes.set(xlabel="predicted probability of female (%)", ylabel="labelled female (%)", xlim=(0, 100), ylim=(0, 100))
    axes.legend(fontsize="small", frameon=False)
    chart.summary = (
        f"Right probabilities are on the diagonal. Expected calibration error (ECE): {percent(gender['ece'])} as predicted, "
        f"{percent(gender['ece_scaled'])} with temperature scaling."
    )
    return chart


def _selective(task: str, what: str, unit: str, curve: Mapping[str, Any]) -> Chart:
    chart, axes = Chart.new(f"selective-{task}", f"If the model may abstain: {what} of {task}")
    scale = 100 if unit == "%" else 1
    x, y = [100 * share for share in curve["coverage"]], [scale * risk for risk in curve["risk"]]
    join = "" if unit == "%" else " "
    texts = [f"the surest {share:.0f}% of the faces: {what} {risk:.2f}{join}{unit}" for share, risk in zip(x, y, strict=True)]
    chart.points(axes, x, y, texts.__getitem__, BLUE)
    axes.axhline(y[-1], color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlabel="faces that get an answer (%)", ylabel=f"{what} ({unit})", ylim=(0, None))
    chart.summary = (
        f"{what.capitalize() if what.islower() else what} of the faces that the model is most sure of, by {curve['by']}. The "
        "dotted line is the value of all faces; a curve below it means that the model knows when it is unsure."
    )
    return chart
