"""Metrics of the predicted age, in years.

An error is the prediction, not rounded, minus the exact age. A label that is an age range has a distance, but no error.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.predictions import Predictions
from agegender.metrics.statistic import Floats, MedianOf, OfSums, mean_of_defined, one_hot, ratio

DECADES = 13  # 0-9, 10-19, ..., and 120 years or more


def labelled(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with an age or an age range, [N]."""
    return ~np.isnan(faces.age_low)


def exact(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with an exact age, [N]."""
    return faces.age_low == faces.age_high


def error(faces: Predictions) -> NDArray[np.float64]:
    """Signed error of faces with an exact age, [N]; positive if the prediction is too old."""
    return faces.age - faces.age_low


def absolute_error(faces: Predictions) -> NDArray[np.float64]:
    """Absolute error of faces with an exact age, [N]."""
    return np.abs(error(faces))


def within(years: int) -> Callable[[Predictions], NDArray[np.bool_]]:
    """Whether the absolute error is at most this many years, [N]; the mean is the cumulative score CS@years."""
    return lambda faces: absolute_error(faces) <= years


(
    within_1, within_2, within_3, within_4, within_5, within_6, within_7, within_8, within_9, within_10, within_11, within_12,
    within_13, within_14, within_15,
) = map(within, range(1, 16))  # fmt: skip


def right_year(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the prediction, rounded to a whole year, is the exact age, [N]."""
    return np.floor(faces.age + 0.5) == faces.age_low


def _errors_by_decade(faces: Predictions) -> Floats:
    decade = one_hot(np.clip(faces.age_low // 10, 0, DECADES - 1).astype(np.int64), DECADES)
    return np.concatenate([decade * absolute_error(faces)[:, None], decade], axis=1)


median_error = MedianOf(absolute_error)
rmse = OfSums(
    lambda faces: np.stack([error(faces) ** 2, np.ones(len(faces))], axis=1),
    lambda sums: np.sqrt(ratio(sums[..., 0], sums[..., 1])),
)
balanced_mae = OfSums(_errors_by_decade, lambda sums: mean_of_defined(ratio(sums[..., :DECADES], sums[..., DECADES:])))


def distance(faces: Predictions) -> NDArray[np.float64]:
    """Distance of each prediction from its label, [N]; see `distance_to_interval`."""
    return distance_to_interval(faces.age, faces.age_low, faces.age_high)


def distance_to_interval(age: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Years from each age to the interval [low, high], [N]: 0 inside, the absolute error if low equals high."""
    age, low, high = (np.asarray(years, dtype=np.float64) for years in (age, low, high))
    return np.maximum(low - age, 0) + np.maximum(age - high, 0)
