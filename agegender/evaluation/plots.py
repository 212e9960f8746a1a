"""Pictures of a test: predicted against labelled ages, confusion matrices, and some faces with their predictions."""

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
from agegender.sources.crop import read_face
from agegender.whole_files import whole

log = logging.getLogger(__name__)

COLUMNS = 8  # faces in a row
SIDE = 160  # approximate pixels of a drawn face
TITLES = {"age_range": "age, nine ranges", "age_class": "age, classes of the head", "gender": "gender, by appearance"}


def draw_test(predictions: pd.DataFrame, metrics: Mapping[str, Any], roots: Mapping[str, Path], run: RunDirectory) -> None:
    """Draws ``predictions.png`` and ``faces.png``. If an image file is missing, a warning replaces ``faces.png``.

    Args:
        predictions: Of one split; a face table with ``age_pred`` and ``probability_female`` for the tasks of the model.
        metrics: Of the same split, as ``split_metrics`` returns them.
        roots: Folder of each dataset.
        run: Where the pictures are written; the folder exists.
    """
    draw_predictions(predictions, metrics, run.predictions_picture)
    try:
        draw_faces(predictions, roots, run.faces_picture)
    except images.ImageError as error:
        log.warning("%s is not drawn: %s", run.faces_picture.name, error)


def draw_predictions(predictions: pd.DataFrame, metrics: Mapping[str, Any], path: Path) -> None:
    """Draws a panel for predicted against labelled ages and one for each confusion matrix.

    A panel without labelled faces is left out; without any panel nothing is drawn.

    Args:
        predictions: Of one split; a face table with ``age_pred`` in years.
        metrics: Of the same split, as ``split_metrics`` returns them.
        path: Path of the PNG.
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
    with whole(path) as file:
        figure.savefig(file, dpi=120)


def _draw_ages(axes: Axes, predictions: pd.DataFrame) -> None:
    """Draws a point for each exact age and a line for each labelled range."""
    known = predictions[predictions["age_low"].notna()]
    low, high, guess = (known[name].to_numpy(dtype=float) for name in ("age_low", "age_high", "age_pred"))
    exact = low == high
    axes.plot(low[exact], guess[exact], ".", markersize=3, alpha=0.3)
    axes.hlines(guess[~exact], low[~exact], high[~exact], linewidth=0.5, alpha=0.3)
    end = float(np.nanmax([high.max(), guess.max()]))
    axes.plot([0, end], [0, end], color="black", linewidth=0.8)
    axes.set(xlabel="labelled age (years)", ylabel="predicted age (years)", title=f"{len(known)} faces", aspect="equal")


def _draw_confusion(axes: Axes, title: str, names: Sequence[str], counts: np.ndarray) -> None:
    """Draws the numbers of faces. The shade is the share of the row, so that rare labels are visible."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        dark = shares[row, column] > 0.5
        axes.text(column, row, str(count), ha="center", va="center", fontsize="small", color="white" if dark else "black")
    axes.set_xticks(range(len(names)), names, rotation=45 if len(names) > 4 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="labelled", title=f"{title} ({counts.sum()} faces)")


def draw_faces(predictions: pd.DataFrame, roots: Mapping[str, Path], path: Path, number: int = 4 * COLUMNS) -> None:
    """Draws faces with their labels and predictions. They are chosen at random, whatever the predictions.

    Args:
        predictions: Of one split; a face table with ``age_pred`` and ``probability_female`` for the tasks of the model.
        roots: Folder of each dataset.
        path: Path of the PNG.
        number: Maximum number of faces.

    Raises:
        ImageError: An image file is missing or cannot be read.
    """
    some = predictions.sample(min(number, len(predictions)), random_state=0).sort_values(["age_low", "dataset", "path"])
    _draw_grid(some, roots, path)


def draw_suspicious(
    predictions: pd.DataFrame, names: Sequence[str], roots: Mapping[str, Path], run: RunDirectory, number: int = 8 * COLUMNS
) -> None:
    """Draws ``suspicious.png``, faces with labels to review. If an image file is missing, a warning replaces it.

    Args:
        predictions: Of one split; a face table with ``age_pred`` and ``probability_female`` for the tasks of the model.
        names: ``dataset/path`` of faces, the most suspicious first.
        roots: Folder of each dataset.
        run: Where the picture is written; the folder exists.
        number: Maximum number of faces.
    """
    some = predictions.set_index(predictions["dataset"] + "/" + predictions["path"]).loc[list(names)[:number]]
    try:
        _draw_grid(some, roots, run.suspicious_picture)
    except images.ImageError as error:
        log.warning("%s is not drawn: %s", run.suspicious_picture.name, error)


def _draw_grid(some: pd.DataFrame, roots: Mapping[str, Path], path: Path) -> None:
    rows = -(-len(some) // COLUMNS)
    figure = Figure(figsize=(1.6 * COLUMNS, 2.1 * rows + 0.3), layout="constrained")
    figure.suptitle("predicted (labelled); gender is binary and means appearance, in labels and predictions", fontsize="small")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, face in zip(grid, some.to_dict("records"), strict=False):
        image = read_face(roots[face["dataset"]], face)
        step = max(1, min(image.shape[:2]) // SIDE)
        axes.imshow(image[::step, ::step])
        axes.set_title(_caption(face), fontsize="x-small")
    with whole(path) as file:
        figure.savefig(file, dpi=120)


def _caption(face: Mapping[str, Any]) -> str:
    """For example ``31.4 (28)`` above ``female 93% (male)``."""
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
