"""What is reached without looking at the faces: the median age and the majority gender of the training split for each."""

import numpy as np

from agegender.metrics.predictions import Predictions


def median_age(train: Predictions) -> float | None:
    """Median age label in years, with a range counted as its middle; None without age labels."""
    middle = (train.age_low + train.age_high) / 2
    return float(np.nanmedian(middle)) if not np.isnan(middle).all() else None


def majority_gender(train: Predictions) -> int | None:
    """The more frequent gender label, 0 = male, 1 = female, male in a tie; None without gender labels."""
    known = train.gender[train.gender >= 0]
    return int(known.mean() > 0.5) if len(known) else None


def constant(age: float | None, gender: int | None, test: Predictions) -> Predictions:
    """The test faces with the same prediction for each.

    Args:
        age: In years; None predicts no age.
        gender: 0 = male, 1 = female; None predicts no gender.
        test: N faces, of which only the labels count.
    """
    return Predictions(
        test.age_low,
        test.age_high,
        test.gender,
        None if age is None else np.full(len(test), age),
        None if gender is None else np.full(len(test), float(gender)),
    )
