"""How often the age range is right, over the nine ranges that FairFace's labels know (Karkkainen and Joo, WACV 2021)."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.errors import AgeGenderError
from agegender.metrics.bootstrap import mean_ci95

RANGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
_STARTS = (3, 10, 20, 30, 40, 50, 60, 70)


def range_of(age: ArrayLike) -> NDArray[np.int64]:
    """The number, 0 to 8, of the range nearest to each age in years, [N].

    Labels are whole years, so the border between 3-9 and 10-19 is 9.5; an age on a border belongs to the older range.
    """
    return np.digitize(np.asarray(age, dtype=np.float64), np.subtract(_STARTS, 0.5))


def ranges_of_labels(low: ArrayLike, high: ArrayLike) -> NDArray[np.int64]:
    """The number of the range that each label lies in, [N]; -1 where it is unknown or lies in several."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    first = range_of(low)
    return np.where(~np.isnan(low) & (first == range_of(high)), first, -1)


def range_metrics(pred: ArrayLike, low: ArrayLike, high: ArrayLike, seed: int) -> dict[str, Any]:
    """Nine-range figures of predicted ages.

    Args:
        pred: predicted ages in years, [N].
        low: lower end of the labels in years, [N]; NaN where unknown.
        high: upper end, [N]; equal to `low` for an exact age.
        seed: of the bootstrap.

    Returns:
        `n` faces whose label lies in one range; over these `accuracy` of the range nearest to the prediction,
        `accuracy_ci95` [low, high], `balanced_accuracy` (mean over the ranges that occur), `one_off` (the right range or
        a neighbour of it), and `confusion` [9][9], rows labelled, columns predicted. None where there is no such face.

    Raises:
        AgeGenderError: if a prediction for one of these faces is not a finite number.
    """
    label = ranges_of_labels(low, high)
    known = label >= 0
    years, label = np.asarray(pred, dtype=np.float64)[known], label[known]
    broken = np.count_nonzero(~np.isfinite(years))
    if broken:
        raise AgeGenderError(f"{broken} of {len(years)} predicted ages are not finite numbers: the training diverged")
    nearest = range_of(years)
    confusion = np.bincount(9 * label + nearest, minlength=81).reshape(9, 9)
    occurs = confusion.sum(axis=1) > 0
    right, off = nearest == label, np.abs(nearest - label)
    return {
        "n": len(label),
        "accuracy": float(right.mean()) if len(label) else None,
        "accuracy_ci95": mean_ci95(right, seed) if len(label) else None,
        "balanced_accuracy": (
            float((np.diagonal(confusion)[occurs] / confusion.sum(axis=1)[occurs]).mean()) if len(label) else None
        ),
        "one_off": float((off <= 1).mean()) if len(label) else None,
        "confusion": confusion.tolist(),
    }
