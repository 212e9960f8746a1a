"""How often the age range is right: of FairFace's nine (Karkkainen and Joo, WACV 2021), or of the classes of a head."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.errors import AgeGenderError
from agegender.metrics.bootstrap import mean_ci95

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
