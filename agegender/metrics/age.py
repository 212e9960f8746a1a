"""Metrics of the predicted age in years.

An error is the prediction, not rounded, minus the exact age. A label that is an age range has no error, only a distance.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.errors import AgeGenderError
from agegender.metrics.bootstrap import mean_ci95
from agegender.metrics.predictions import Predictions


def labelled(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with an age or an age range, [N]."""
    return ~np.isnan(faces.age_low)


def exact(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with an exact age, [N]."""
    return faces.age_low == faces.age_high


def error(faces: Predictions) -> NDArray[np.float64]:
    """Signed error of each face with an exact age, [N]; positive if the prediction is too old."""
    return faces.age - faces.age_low


def absolute_error(faces: Predictions) -> NDArray[np.float64]:
    """Absolute error of each face with an exact age, [N]."""
    return np.abs(error(faces))


def within_5(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the absolute error is at most 5 years, [N]; the mean is the cumulative score CS@5."""
    return absolute_error(faces) <= 5


def distance(faces: Predictions) -> NDArray[np.float64]:
    """Years from each prediction to its label, [N]; see `distance_to_interval`."""
    return distance_to_interval(faces.age, faces.age_low, faces.age_high)


def rmse(faces: Predictions) -> float:
    """Root of the mean squared error of faces with an exact age."""
    return math.sqrt(np.mean(error(faces) ** 2))


def mae(errors: ArrayLike) -> float | None:
    """Mean absolute error; None without errors."""
    return _mean(np.abs(np.asarray(errors, dtype=np.float64)))


def cs(errors: ArrayLike, k: float) -> float | None:
    """Cumulative score, 0..1: the share of faces with an absolute error of at most `k` years; None without errors."""
    return _mean(np.abs(np.asarray(errors, dtype=np.float64)) <= k)


def distance_to_interval(pred: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Years from each prediction to its interval [low, high]: 0 inside, the absolute error for an exact age; [N]."""
    pred, low, high = (np.asarray(age, dtype=np.float64) for age in (pred, low, high))
    return np.maximum(low - pred, 0) + np.maximum(pred - high, 0)


def by_decade(pred: ArrayLike, age: ArrayLike) -> dict[str, dict[str, float]]:
    """Number of faces `n`, `mae` and `bias` (mean error) for each decade of the true age that has faces.

    Returns:
        For instance `{"0-9": {"n": 2, "mae": 1.5, "bias": -0.5}}`, youngest first.
    """
    pred, age = (np.asarray(years, dtype=np.float64) for years in (pred, age))
    first = (age // 10 * 10).astype(int)
    decades = {}
    for decade in np.unique(first):
        errors = (pred - age)[first == decade]
        decades[f"{decade}-{decade + 9}"] = {
            "n": len(errors),
            "mae": float(np.abs(errors).mean()),
            "bias": float(errors.mean()),
        }
    return decades


def age_metrics(pred: ArrayLike, low: ArrayLike, high: ArrayLike, seed: int, groups: ArrayLike | None = None) -> dict[str, Any]:
    """All measures of age that a report holds.

    Args:
        pred: predicted ages in years, [N], not rounded.
        low: lower end of the labels in years, [N]; NaN where unknown, and these faces are left out.
        high: upper end, [N]; equal to `low` for an exact age.
        seed: of the bootstrap.
        groups: what ties faces together, [N]; see `mean_ci95`.

    Returns:
        `n` faces with a label, `n_exact` of them with an exact age; over the latter `mae`, `mae_ci95` [low, high],
        `rmse`, `cs5` and `by_decade`; over all labelled ones `distance`, the mean distance to the interval. None (and
        an empty `by_decade`) where there is no face to measure.

    Raises:
        AgeGenderError: if a prediction for a labelled face is not a finite number.
    """
    pred, low, high = (np.asarray(age, dtype=np.float64) for age in (pred, low, high))
    known = ~np.isnan(low)
    pred, low, high = pred[known], low[known], high[known]
    broken = np.count_nonzero(~np.isfinite(pred))
    if broken:
        raise AgeGenderError(f"{broken} of {len(pred)} predicted ages are not finite numbers: the training diverged")
    exact = low == high
    errors = (pred - low)[exact]
    tied = None if groups is None else np.asarray(groups)[known][exact]
    return {
        "n": len(pred),
        "n_exact": len(errors),
        "mae": mae(errors),
        "mae_ci95": mean_ci95(np.abs(errors), seed, groups=tied) if len(errors) else None,
        "rmse": float(np.sqrt(np.mean(errors**2))) if len(errors) else None,
        "cs5": cs(errors, 5),
        "distance": _mean(distance_to_interval(pred, low, high)),
        "by_decade": by_decade(pred[exact], low[exact]),
    }


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
