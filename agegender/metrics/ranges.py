"""Metrics of the age range that a predicted age is in: FairFace's nine (Karkkainen and Joo, WACV 2021), or a head's classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.errors import AgeGenderError
from agegender.metrics.bootstrap import mean_ci95
from agegender.metrics.predictions import Predictions

RANGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
NINE = (0, 3, 10, 20, 30, 40, 50, 60, 70)


def borders(starts: Sequence[float]) -> NDArray[np.float64]:
    """Ages between neighbouring ranges, given the first year of each; labels are whole years, so 9.5 between 9 and 10."""
    return np.subtract(starts[1:], 0.5)


def range_of(age: ArrayLike, starts: Sequence[float] = NINE) -> NDArray[np.int64]:
    """The number, from 0, of the range nearest to each age in years, [N]; an age on a border belongs to the older range."""
    return np.digitize(np.asarray(age, dtype=np.float64), borders(starts))


def ranges_of_labels(low: ArrayLike, high: ArrayLike, starts: Sequence[float] = NINE) -> NDArray[np.int64]:
    """The number of the range that each label lies in, [N]; -1 where it is unknown or lies in several."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    first = range_of(low, starts)
    return np.where(~np.isnan(low) & (first == range_of(high, starts)), first, -1)


def in_one_range(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with a label inside one of the nine ranges, [N]."""
    return ranges_of_labels(faces.age_low, faces.age_high) >= 0


def in_one_class(faces: Predictions) -> NDArray[np.bool_] | None:
    """Faces with a label inside one of the head's classes, [N]; None if it has no classes."""
    return ranges_of_labels(faces.age_low, faces.age_high, faces.classes) >= 0 if len(faces.classes) else None


def confusion(faces: Predictions, starts: Sequence[float] = NINE) -> NDArray[np.int64]:
    """Numbers of faces by labelled range (rows) and predicted range (columns), [R, R].

    Args:
        faces: Those with a label inside one range.
        starts: First year of each of the R ranges.
    """
    size = len(starts)
    pairs = size * range_of(faces.age_low, starts) + range_of(faces.age, starts)
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def ranges_off(faces: Predictions, starts: Sequence[float]) -> NDArray[np.int64]:
    """How many ranges lie between the labelled and the predicted one, [N]; 0 if they are the same, 1 if neighbours."""
    return np.abs(range_of(faces.age, starts) - range_of(faces.age_low, starts))


def balanced_accuracy(faces: Predictions, starts: Sequence[float]) -> float:
    """Mean over the ranges that occur of the share of their faces whose predicted range is right."""
    counts = confusion(faces, starts)
    sizes = counts.sum(axis=1)
    return float((np.diagonal(counts)[sizes > 0] / sizes[sizes > 0]).mean())


def right_range(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted one of the nine ranges is the labelled one, [N]."""
    return ranges_off(faces, NINE) == 0


def range_one_off(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted one of the nine ranges is the labelled one or its neighbour, [N]."""
    return ranges_off(faces, NINE) <= 1


def balanced_range_accuracy(faces: Predictions) -> float:
    """Balanced accuracy of the nine ranges."""
    return balanced_accuracy(faces, NINE)


def right_class(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age class is the labelled one, [N]."""
    return ranges_off(faces, faces.classes) == 0


def wrong_class(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age class is not the labelled one, [N]."""
    return ranges_off(faces, faces.classes) > 0


def class_one_off(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age class is the labelled one or its neighbour, [N]."""
    return ranges_off(faces, faces.classes) <= 1


def balanced_class_accuracy(faces: Predictions) -> float:
    """Balanced accuracy of the head's classes."""
    return balanced_accuracy(faces, faces.classes)


def range_metrics(
    pred: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    seed: int,
    starts: Sequence[float] = NINE,
    groups: ArrayLike | None = None,
) -> dict[str, Any]:
    """Figures of predicted ages when only the range counts.

    Args:
        pred: predicted ages in years, [N].
        low: lower end of the labels in years, [N]; NaN where unknown.
        high: upper end, [N]; equal to `low` for an exact age.
        seed: of the bootstrap.
        starts: first year of each of the R ranges.
        groups: what ties faces together, [N]; see `mean_ci95`.

    Returns:
        `n` faces whose label lies in one range; over these `accuracy` of the range nearest to the prediction,
        `accuracy_ci95` [low, high], `balanced_accuracy` (mean over the ranges that occur), `one_off` (the right range or
        a neighbour of it), and `confusion` [R][R], rows labelled, columns predicted. None where there is no such face.

    Raises:
        AgeGenderError: if a prediction for one of these faces is not a finite number.
    """
    label, size = ranges_of_labels(low, high, starts), len(starts)
    known = label >= 0
    tied = None if groups is None else np.asarray(groups)[known]
    years, label = np.asarray(pred, dtype=np.float64)[known], label[known]
    broken = np.count_nonzero(~np.isfinite(years))
    if broken:
        raise AgeGenderError(f"{broken} of {len(years)} predicted ages are not finite numbers: the training diverged")
    nearest = range_of(years, starts)
    confusion = np.bincount(size * label + nearest, minlength=size * size).reshape(size, size)
    occurs = confusion.sum(axis=1) > 0
    right, off = nearest == label, np.abs(nearest - label)
    return {
        "n": len(label),
        "accuracy": float(right.mean()) if len(label) else None,
        "accuracy_ci95": mean_ci95(right, seed, groups=tied) if len(label) else None,
        "balanced_accuracy": (
            float((np.diagonal(confusion)[occurs] / confusion.sum(axis=1)[occurs]).mean()) if len(label) else None
        ),
        "one_off": float((off <= 1).mean()) if len(label) else None,
        "confusion": confusion.tolist(),
    }
