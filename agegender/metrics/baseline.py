"""What guessing reaches: the training part's median age and majority gender said of every test face."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from agegender.metrics.age import distance_to_interval, mae


def age_baseline(train_low: ArrayLike, train_high: ArrayLike, low: ArrayLike, high: ArrayLike) -> dict[str, Any]:
    """Errors of guessing the median training age.

    Args:
        train_low: lower end of the training labels in years, [M]; NaN where unknown.
        train_high: upper end, [M]. An interval counts as its middle.
        low: lower end of the test labels in years, [N]; NaN where unknown.
        high: upper end, [N].

    Returns:
        `guess` in years, its `mae` over exact test ages and its mean `distance` to all test labels; None where there is
        nothing to learn from or to measure.
    """
    train_low, train_high, low, high = (np.asarray(a, dtype=np.float64) for a in (train_low, train_high, low, high))
    middle = ((train_low + train_high) / 2)[~np.isnan(train_low)]
    if not len(middle):
        return {"guess": None, "mae": None, "distance": None}
    guess = float(np.median(middle))
    distances = distance_to_interval(guess, low, high)[~np.isnan(low)]
    return {
        "guess": guess,
        "mae": mae(guess - low[low == high]),
        "distance": float(distances.mean()) if len(distances) else None,
    }


def gender_baseline(train_gender: ArrayLike, gender: ArrayLike) -> dict[str, Any]:
    """Accuracy of guessing the more frequent training gender (male in a tie).

    Args:
        train_gender: training labels, [M], 0 = male, 1 = female, -1 unknown.
        gender: test labels, [N], likewise.

    Returns:
        `guess`, 0 or 1, and its `accuracy` over labelled test faces; None where there is nothing to learn from or to
        measure.
    """
    train_gender, gender = np.asarray(train_gender), np.asarray(gender)
    train_gender, gender = train_gender[train_gender >= 0], gender[gender >= 0]
    if not len(train_gender):
        return {"guess": None, "accuracy": None}
    guess = int(train_gender.mean() > 0.5)
    return {"guess": guess, "accuracy": float((gender == guess).mean()) if len(gender) else None}
