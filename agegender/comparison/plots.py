"""Curves of several models over each other, and their Grad-CAM maps side by side."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from agegender.comparison.rows import Row
from agegender.comparison.wording import CURVES

LEGEND = 80  # characters of the legend below each picture
COMPARED = {name: label for name, label in CURVES.items() if name != "loss"}  # those of different heads cannot be compared


def draw_curves(rows: Sequence[Row], path: Path) -> bool:
    """Validation (solid) and training (dotted) figures over the epochs, a colour a row, a line a seed.

    Returns:
        False where no run kept a history; nothing is drawn then.
    """
    names = [name for name in COMPARED if any(f"val/{name}" in epoch for row in rows for r in row.runs for epoch in r.history)]
    if "age_mae" in names and "age_distance" in names and not _apart(rows):
        names.remove("age_distance")
    if "age_class_accuracy" in names and len({row.edges for row in rows} - {()}) > 1:
        names.remove("age_class_accuracy")  # of other classes in every row
    if not names:
        return False
    room = LEGEND * len(names)
    titles = [fill(row.name, room) for row in rows]
    columns = max(1, room // (max(map(len, titles)) + 8))
    lines = sum(title.count("\n") + 1 for title in titles) / columns
    figure = Figure(figsize=(6 * len(names), 4.5 + 0.2 * lines), layout="constrained")
    colours = colormaps["tab10" if len(rows) <= 10 else "tab20"]
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for number, row in enumerate(rows):
            for run in row.runs:
                for part, style in ("val", "-"), ("train", ":"):
                    points = [(e["epoch"] + 1, e[f"{part}/{name}"]) for e in run.history if f"{part}/{name}" in e]
                    label = titles[number] if run is row.runs[0] and part == "val" else None
                    x, y = zip(*points, strict=True) if points else ((), ())
                    axes.plot(x, y, style, color=colours(number % colours.N), marker=".", linewidth=1, label=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel="epoch", ylabel=COMPARED[name], title="solid: validation, dotted: training")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize="small")
    figure.savefig(path, dpi=120)
    return True


def _apart(rows: Sequence[Row]) -> bool:
    """Whether the distance from the label is anything but the MAE."""
    return any(e.get("val/age_mae") != e.get("val/age_distance") for row in rows for run in row.runs for e in run.history)


def draw_maps(
    images: Sequence[np.ndarray], labels: Sequence[str], names: Sequence[str], maps: Sequence[np.ndarray], path: Path
) -> None:
    """Draws a column a face and a row a model, the faces themselves on top.

    Args:
        images: [H, W, 3] uint8, a face each.
        labels: One a face, shown above it.
        names: One a model.
        maps: One a model, [faces, h, w] in 0..1; laid over the faces, whatever their size.
        path: Of the PNG.
    """
    figure = Figure(figsize=(1.6 * len(images) + 2.5, 1.7 * (len(maps) + 1)), layout="constrained")
    grid = figure.subplots(len(maps) + 1, len(images), squeeze=False)
    height, width = images[0].shape[:2]
    for column, (image, label) in enumerate(zip(images, labels, strict=True)):
        grid[0, column].set_title(f"labelled {label}", fontsize="small")
        for axes in grid[:, column]:
            axes.imshow(image, extent=(0, width, height, 0))
            axes.set(xticks=[], yticks=[])
        for axes, model in zip(grid[1:, column], maps, strict=True):
            heat = colormaps["jet"](model[column])
            heat[..., 3] = 0.45
            axes.imshow(heat, extent=(0, width, height, 0))
    for axes, name in zip(grid[1:, 0], names, strict=True):
        axes.set_ylabel(fill(name, 26), fontsize="x-small", rotation="horizontal", horizontalalignment="right")
    figure.savefig(path, dpi=120)
