"""Curves of several models over each other, and their Grad-CAM maps side by side."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from agegender.comparison.rows import Row
from agegender.escaping import in_plot
from agegender.metrics.metric import Metric
from agegender.metrics.registry import AGE_CLASS, shown
from agegender.whole_files import whole

LEGEND = 80  # characters of the legend below each panel


def overlay_curves(rows: Sequence[Row], path: Path) -> bool:
    """Draws the headline metrics over the epochs: validation solid, training dotted, a colour a row, a line a seed.

    Returns:
        False if no run kept a history; then nothing is drawn.
    """
    metrics = _measured(rows)
    if not metrics:
        return False
    room = LEGEND * len(metrics)
    titles = [fill(in_plot(row.name), room) for row in rows]
    columns = max(1, room // (max(map(len, titles)) + 8))
    lines = sum(title.count("\n") + 1 for title in titles) / columns
    figure = Figure(figsize=(6 * len(metrics), 4.5 + 0.2 * lines), layout="constrained")
    colours = colormaps["tab10" if len(rows) <= 10 else "tab20"]
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        for number, row in enumerate(rows):
            for run in row.runs:
                for split, style in ("val", "-"), ("train", ":"):
                    points = [(e["epoch"] + 1, e[name]) for e in run.history if (name := f"{split}/{metric.key}") in e]
                    label = titles[number] if run is row.runs[0] and split == "val" else None
                    x, y = zip(*points, strict=True) if points else ((), ())
                    axes.plot(x, y, style, color=colours(number % colours.N), marker=".", linewidth=1, label=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel="epoch", ylabel=metric.label, title="solid: validation, dotted: training")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize="small")
    with whole(path) as file:
        figure.savefig(file, dpi=120)
    return True


def _measured(rows: Sequence[Row]) -> list[Metric]:
    """The headline metrics of the validation, without one that repeats another and without those of different age classes."""
    epochs = [epoch for row in rows for run in row.runs for epoch in run.history]
    same_classes = len({row.age_classes for row in rows} - {()}) <= 1
    return [
        metric
        for metric in shown("headline")
        if any(f"val/{metric.key}" in epoch for epoch in epochs)
        and (same_classes or metric.needs is not AGE_CLASS)
        and not (metric.repeats and all(e.get(f"val/{metric.key}") == e.get(f"val/{metric.repeats}") for e in epochs))
    ]


def draw_maps(
    images: Sequence[np.ndarray],
    labels: Sequence[str],
    names: Sequence[str],
    inputs: Sequence[Sequence[np.ndarray]],
    maps: Sequence[np.ndarray],
    path: Path,
) -> None:
    """Draws a grid with a column for each face. The first row shows the faces, each further row the maps of one model.

    Args:
        images: One for each face, uint8 [H, W, 3].
        labels: One for each face, shown above it.
        names: One for each model.
        inputs: For each model its input for each face, uint8 [S, S, 3].
        maps: One for each model, [faces, h, w] in 0..1, enlarged to the size of the input.
        path: Of the PNG.
    """
    figure = Figure(figsize=(1.6 * len(images) + 2.5, 1.7 * (len(maps) + 1)), layout="constrained")
    grid = figure.subplots(len(maps) + 1, len(images), squeeze=False)
    extent = (0, 1, 1, 0)
    for column, (image, label) in enumerate(zip(images, labels, strict=True)):
        grid[0, column].set_title(f"labelled {label}", fontsize="small")
        for axes, background in zip(grid[:, column], [image, *(faces[column] for faces in inputs)], strict=True):
            axes.imshow(background, extent=extent)
            axes.set(xticks=[], yticks=[])
        for axes, model in zip(grid[1:, column], maps, strict=True):
            heat = colormaps["jet"](model[column])
            heat[..., 3] = 0.45
            axes.imshow(heat, extent=extent)
    for axes, name in zip(grid[1:, 0], names, strict=True):
        axes.set_ylabel(fill(in_plot(name), 26), fontsize="x-small", rotation="horizontal", horizontalalignment="right")
    with whole(path) as file:
        figure.savefig(file, dpi=120)
