"""How good the estimates of age are, and for which ages."""

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from agegender.evaluation.report.chart import BLUE, GREY, RED, Chart
from agegender.evaluation.report.confusion_chart import confusion_chart
from agegender.evaluation.report.metric_table import metric_table, text
from agegender.evaluation.report.section import Evidence, Section
from agegender.metrics.registry import AGE_CLASS, AGE_RANGE, BY_KEY, shown

STEP = 5  # years of a cell of the map of predicted against labelled ages
CURVE = range(1, 16)  # years of the cumulative score


def section(evidence: Evidence) -> Section | None:
    """Metrics, predicted against labelled ages, errors by age, cumulative score, confusion matrices."""
    values = evidence.values
    if not values.get("n_age"):
        return None
    exact = evidence.faces[evidence.faces["age_low"].notna() & (evidence.faces["age_low"] == evidence.faces["age_high"])]
    charts = [_map(exact), _by_age(evidence), _cumulative_score(exact)] if len(exact) else []
    for need, title in (AGE_RANGE, "Nine age ranges"), (AGE_CLASS, "Age classes of the head"):
        if matrix := values["confusions"].get(need.key):
            charts.append(confusion_chart(need.key.replace("_", "-"), title, matrix["names"], np.asarray(matrix["counts"])))
    metrics = [metric for metric in shown("summary") if metric.needs and metric.needs.task == "age"]
    table = metric_table("age-metrics", "Metrics of age", metrics, values, evidence.metrics.get("baseline") or {})
    note = "The baseline predicts the median age of the training faces for everybody."
    return Section("age", "Age", [], charts, [table], [note])


def _map(exact: pd.DataFrame) -> Chart:
    """Numbers of faces by labelled and predicted age, so that a million faces need no more space than a thousand."""
    chart, axes = Chart.new("predicted-ages", "Predicted against labelled age", height=4.2)
    label, guess = (exact[name].to_numpy(float) // STEP for name in ("age_low", "age_pred"))
    counts = pd.Series(1, index=[label, guess]).groupby(level=[0, 1]).sum()
    largest = counts.max()
    for (column, row), count in counts.items():
        shade = 0.12 + 0.88 * np.log1p(count) / np.log1p(largest)
        cell = Rectangle((column * STEP, row * STEP), STEP, STEP, facecolor=BLUE, alpha=shade, linewidth=0)
        axes.add_patch(cell)
        spans = [f"{int(start * STEP)} to {int(start * STEP) + STEP - 1}" for start in (column, row)]
        chart.mark(cell, f"labelled {spans[0]}, predicted {spans[1]}: {count:,} face{'s' if count > 1 else ''}")
    low, high = STEP * min(0, guess.min(), label.min()), STEP * (max(guess.max(), label.max()) + 1)
    axes.plot([low, high], [low, high], color="black", linewidth=0.8)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="labelled age (years)", ylabel="predicted age (years)")
    chart.summary = (
        f"{len(exact):,} faces in squares of {STEP} years; a darker square holds more faces. Right estimates are on the line, "
        "estimates that are too old above it."
    )
    return chart


def _by_age(evidence: Evidence) -> Chart:
    """MAE and bias for each decade of age."""
    rows = evidence.values["by_group"]["age_decade"]
    chart, axes = Chart.new("error-by-age", "Error and bias by age")
    x, names = np.arange(len(rows)), list(rows)
    for key, colour, style, label in (
        ("age_mae", BLUE, "-", "mean absolute error"),
        ("age_bias", RED, "--", "bias: above 0 too old, below 0 too young"),
    ):
        metric, y = BY_KEY[key], [row[key] for row in rows.values()]
        texts = [
            f"{name} years: {metric.title} {text(metric, row[key])} ({row['n_exact_age']:,} faces)"
            for name, row in rows.items()
        ]
        chart.points(axes, x, y, texts.__getitem__, colour, style, label=label)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(x, names, rotation=45 if len(names) > 6 else 0)
    axes.set(xlabel="labelled age (years)", ylabel="years")
    axes.legend(fontsize="small", frameon=False)
    chart.summary = "Mean absolute error and bias for each decade of labelled age."
    return chart


def _cumulative_score(exact: pd.DataFrame) -> Chart:
    """Share of faces with an error of at most 1, 2, ... 15 years."""
    chart, axes = Chart.new("cumulative-score", "Share of faces within a number of years")
    error = (exact["age_pred"] - exact["age_low"]).abs().to_numpy(float)
    shares = [100 * float(np.mean(error <= years)) for years in CURVE]
    chart.points(
        axes, list(CURVE), shares, lambda i: f"{shares[i]:.1f}% of faces within {CURVE[i]} year{'s' if i else ''}", BLUE
    )
    axes.axvline(5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(ylim=(0, 100), xlabel="largest allowed error (years)", ylabel="faces (%)")
    chart.summary = f"{shares[4]:.0f}% of faces have an error of at most 5 years, {shares[9]:.0f}% of at most 10 years."
    return chart
