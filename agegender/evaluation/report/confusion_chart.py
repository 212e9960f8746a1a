"""Confusion matrices as a plot."""

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from agegender.evaluation.report.chart import BLUE, Chart


def confusion_chart(name: str, title: str, classes: Sequence[str], counts: NDArray[np.int64]) -> Chart:
    """Numbers of faces; the shade is the share of the row, so that rare labels are visible.

    Args:
        name: Of the chart.
        title: Of the chart.
        classes: Names of the R classes.
        counts: [R, R]; rows labelled, columns predicted.
    """
    many = len(classes) > 4
    chart, axes = Chart.new(f"confusion-{name}", title, height=4.2 if many else 3.4)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        cell = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=BLUE, alpha=float(share), edgecolor="white")
        axes.add_patch(cell)
        chart.mark(cell, f"labelled {classes[row]}, predicted {classes[column]}: {count:,} faces, {share:.1%} of the row")
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=7 if many else 10, color=colour)
    ends = (-0.5, len(classes) - 0.5)
    axes.grid(False)
    axes.set(xlim=ends, ylim=ends[::-1], aspect="equal", xlabel="predicted", ylabel="labelled")
    axes.set_xticks(range(len(classes)), classes, rotation=45 if many else 0)
    axes.set_yticks(range(len(classes)), classes)
    right = int(np.trace(counts))
    chart.summary = f"{right:,} of {int(counts.sum()):,} faces are in the right class, on the diagonal."
    return chart
