"""Metrics of the predicted age, in years.

An error is the prediction, not rounded, minus the exact age. A label that is an age range has a distance, but no error.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.predictions import Predictions


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


def within_5(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the absolute error is at most 5 years, [N]; the mean is the cumulative score CS@5."""
    return absolute_error(faces) <= 5


def rmse(faces: Predictions) -> float:
    """Root of the mean squared error of faces with an exact age."""
    return math.sqrt(np.mean(error(faces) ** 2))


def distance(faces: Predictions) -> NDArray[np.float64]:
    """Distance of each prediction from its label, [N]; see `distance_to_interval`."""
    return distance_to_interval(faces.age, faces.age_low, faces.age_high)


def distance_to_interval(age: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Years from each age to the interval [low, high], [N]: 0 inside, the absolute error if low equals high."""
    age, low, high = (np.asarray(years, dtype=np.float64) for years in (age, low, high))
    return np.maximum(low - age, 0) + np.maximum(age - high, 0)
