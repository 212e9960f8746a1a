"""Metrics of the age range that a predicted age is in: FairFace's nine (Karkkainen and Joo, WACV 2021), or a head's classes."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.predictions import Predictions
from agegender.metrics.statistic import Floats, OfSums, mean_of_defined, one_hot, ratio

NINE = (0, 3, 10, 20, 30, 40, 50, 60, 70)  # first year of each of FairFace's ranges


def names(starts: Sequence[float]) -> list[str]:
    """Names of ranges, given the first year of each: ``0-2``, ``3-9``, ..., ``70+``."""
    return [f"{first}-{after - 1}" for first, after in pairwise(starts)] + [f"{starts[-1]}+"]


def borders(starts: Sequence[float]) -> NDArray[np.float64]:
    """Ages between neighbouring ranges, [R - 1], given the first year of each range, [R].

    Labels are whole years, so the border between 3-9 and 10-19 is 9.5.
    """
    return np.subtract(starts[1:], 0.5)


def range_of(age: ArrayLike, starts: Sequence[float] = NINE) -> NDArray[np.int64]:
    """Index of the range nearest to each age in years, [N]; an age on a border belongs to the older range."""
    return np.digitize(np.asarray(age, dtype=np.float64), borders(starts))


def ranges_of_labels(low: ArrayLike, high: ArrayLike, starts: Sequence[float] = NINE) -> NDArray[np.int64]:
    """Index of the range that each label lies in, [N]; -1 where it is unknown or lies in several."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    first = range_of(low, starts)
    return np.where(~np.isnan(low) & (first == range_of(high, starts)), first, -1)


def in_one_range(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with a label inside one of the nine ranges, [N]."""
    return ranges_of_labels(faces.age_low, faces.age_high) >= 0


def in_one_class(faces: Predictions) -> NDArray[np.bool_] | None:
    """Faces with a label inside one of the head's classes, [N]; None if it has no classes."""
    return ranges_of_labels(faces.age_low, faces.age_high, faces.classes) >= 0 if len(faces.classes) else None


def confusion(faces: Predictions, starts: Sequence[float]) -> NDArray[np.int64]:
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


def _right_by_range(faces: Predictions, starts: Sequence[float]) -> Floats:
    """Whether each face is in each labelled range and predicted right, and whether it is in it, [N, 2 R]."""
    own = one_hot(range_of(faces.age_low, starts), len(starts))
    return np.concatenate([own * (ranges_off(faces, starts) == 0)[:, None], own], axis=1)


def _mean_over_ranges(sums: Floats) -> Floats:
    """Mean over the ranges that occur of the share of their faces whose predicted range is right."""
    right, sizes = np.split(sums, 2, axis=-1)
    return mean_of_defined(ratio(right, sizes))


balanced_range_accuracy = OfSums(lambda faces: _right_by_range(faces, NINE), _mean_over_ranges)
balanced_class_accuracy = OfSums(lambda faces: _right_by_range(faces, faces.classes), _mean_over_ranges)


def right_range(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted one of the nine ranges is the labelled one, [N]."""
    return ranges_off(faces, NINE) == 0


def range_one_off(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted one of the nine ranges is the labelled one or its neighbour, [N]."""
    return ranges_off(faces, NINE) <= 1


def right_class(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age class is the labelled one, [N]."""
    return ranges_off(faces, faces.classes) == 0


def wrong_class(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age class is not the labelled one, [N]."""
    return ranges_off(faces, faces.classes) > 0


def class_one_off(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age class is the labelled one or its neighbour, [N]."""
    return ranges_off(faces, faces.classes) <= 1
