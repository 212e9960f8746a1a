"""What a test looks like: predicted against labelled ages, confusion matrices, and some faces with their predictions."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agegender.metrics.gender import CLASSES
from agegender.runs.run_directory import RunDirectory
from agegender.sources import images

log = logging.getLogger(__name__)

COLUMNS = 8  # of faces
SIDE = 160  # pixels, about, of a face
TITLES = {"age_range": "age, nine ranges", "age_class": "age, classes of the head", "gender": "gender, by appearance"}


def draw_test(predictions: pd.DataFrame, metrics: Mapping[str, Any], roots: Mapping[str, Path], run: RunDirectory) -> None:
    """Draws ``predictions.png`` and ``faces.png``; where faces are gone by now it says so and draws none.

    Args:
        predictions: Of one part; face table columns with ``age_pred`` and ``probability_female`` as far as predicted.
        metrics: Of the same split, as ``split_metrics`` gives them.
        roots: Folder of each data set.
        run: For the pictures; its folder exists.
    """
    draw_predictions(predictions, metrics, run.predictions_picture)
    try:
        draw_faces(predictions, roots, run.faces_picture)
    except images.ImageError as error:
        log.warning("%s is not drawn: %s", run.faces_picture.name, error)


def draw_predictions(predictions: pd.DataFrame, metrics: Mapping[str, Any], path: Path) -> None:
    """Draws a panel for predicted against labelled ages and one for each confusion matrix, as far as there are labels.

    Args:
        predictions: Of one part; face table columns with ``age_pred`` in years.
        metrics: Of the same split, as ``split_metrics`` gives them.
        path: Of the PNG.
    """
    matrices, n_age = metrics["confusions"], metrics.get("n_age", 0)
    panels = len(matrices) + bool(n_age)
    if not panels:
        return
    figure = Figure(figsize=(5.5 * panels, 5), layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    if n_age:
        _draw_ages(axes.pop(0), predictions)
    for own, (key, matrix) in zip(axes, matrices.items(), strict=True):
        _draw_confusion(own, TITLES[key], matrix["names"], np.asarray(matrix["counts"]))
    figure.savefig(path, dpi=120)


def _draw_ages(axes: Axes, predictions: pd.DataFrame) -> None:
    """A point an exact age, a line a labelled range."""
    known = predictions[predictions["age_low"].notna()]
    low, high, guess = (known[name].to_numpy(dtype=float) for name in ("age_low", "age_high", "age_pred"))
    exact = low == high
    axes.plot(low[exact], guess[exact], ".", markersize=3, alpha=0.3)
    axes.hlines(guess[~exact], low[~exact], high[~exact], linewidth=0.5, alpha=0.3)
    end = float(np.nanmax([high.max(), guess.max()]))
    axes.plot([0, end], [0, end], color="black", linewidth=0.8)
    axes.set(xlabel="labelled age (years)", ylabel="predicted age (years)", title=f"{len(known)} faces", aspect="equal")


def _draw_confusion(axes: Axes, title: str, names: Sequence[str], counts: np.ndarray) -> None:
    """Numbers of faces; shaded by their share of the row, so that rare labels are seen too."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        dark = shares[row, column] > 0.5
        axes.text(column, row, str(count), ha="center", va="center", fontsize="small", color="white" if dark else "black")
    axes.set_xticks(range(len(names)), names, rotation=45 if len(names) > 4 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="labelled", title=f"{title} ({counts.sum()} faces)")


def draw_faces(predictions: pd.DataFrame, roots: Mapping[str, Path], path: Path, number: int = 4 * COLUMNS) -> None:
    """Draws faces with their labels and predictions: chosen at random, not by how good the predictions are.

    Args:
        predictions: Of one part; face table columns with ``age_pred`` and ``probability_female`` as far as predicted.
        roots: Folder of each data set.
        path: Of the PNG.
        number: Of faces at most.

    Raises:
        ImageError: A face is gone or cannot be read any more.
    """
    some = predictions.sample(min(number, len(predictions)), random_state=0).sort_values(["age_low", "dataset", "path"])
    rows = -(-len(some) // COLUMNS)
    figure = Figure(figsize=(1.6 * COLUMNS, 2.1 * rows + 0.3), layout="constrained")
    figure.suptitle("predicted (labelled); gender is a guess at appearance, as the labels are", fontsize="small")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, face in zip(grid, some.to_dict("records"), strict=False):
        image = images.read(roots[face["dataset"]] / face["path"])
        step = max(1, min(image.shape[:2]) // SIDE)
        axes.imshow(image[::step, ::step])
        axes.set_title(_caption(face), fontsize="x-small")
    figure.savefig(path, dpi=120)


def _caption(face: Mapping[str, Any]) -> str:
    """Such as ``31.4 (28)`` over ``female 93% (male)``."""
    lines = []
    if "age_pred" in face:
        low, high = face["age_low"], face["age_high"]
        label = "?" if pd.isna(low) else f"{low:g}" if low == high else f"{low:g}-{high:g}"
        lines.append(f"{face['age_pred']:.1f} ({label})")
    if "probability_female" in face:
        female = face["probability_female"]
        guess, sure = ("female", female) if female > 0.5 else ("male", 1 - female)
        label = "?" if pd.isna(face["gender"]) else CLASSES[int(face["gender"])]
        lines.append(f"{guess} {sure:.0%} ({label})")
    return "\n".join(lines)
