"""Metrics of an age gate: a check that lets a face pass if its predicted age reaches a threshold.

A false positive is an under-age face that passes. The bands and the thresholds are those of NIST's evaluation (FATE AEV, NIST
IR 8525, 2024).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agegender.metrics.predictions import Predictions
from agegender.metrics.resampling import Draws, percentiles, share_interval
from agegender.metrics.statistic import Floats, ratio

BANDS = {"8-12": (8, 12), "13-16": (13, 16), "14-17": (14, 17), "17-22": (17, 22)}  # first and last year


def under(faces: Predictions, age: float) -> NDArray[np.bool_]:
    """Faces with a label below this age, [N]; of a range, the last year."""
    return faces.age_high < age


def of_age(faces: Predictions, age: float) -> NDArray[np.bool_]:
    """Faces with a label of at least this age, [N]; of a range, the first year."""
    return faces.age_low >= age


def inside(faces: Predictions, first: float, last: float) -> NDArray[np.bool_]:
    """Faces with a label inside these years, both included, [N]."""
    return (faces.age_low >= first) & (faces.age_high <= last)


def minors(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with a label below 18 years, [N]."""
    return under(faces, 18)


def passed_18(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age is at least 18 years, [N]."""
    return faces.age >= 18


def from_14_to_17(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with a label from 14 to 17 years, [N]."""
    return inside(faces, *BANDS["14-17"])


def passed_25(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age is at least 25 years, [N]."""
    return faces.age >= 25


@dataclass(frozen=True)
class Rates:
    """Share of some faces that pass at each of T thresholds.

    Attributes:
        rate: [T], NaN without faces.
        interval: 95% bootstrap interval, [T, 2].
        drawn: The shares in each resample, [R, T].
    """

    rate: Floats
    interval: Floats
    drawn: Floats


def rates(passed: NDArray[np.bool_], faces: NDArray[np.int64], draws: Draws) -> Rates:
    """Measures how many faces pass.

    Args:
        passed: Whether each of the n faces passes at each threshold, [n, T].
        faces: Their indices among the faces of the draws, [n].
        draws: Resamples.
    """
    drawn = np.full((draws.resamples, passed.shape[1]), np.nan)
    terms = np.concatenate([passed, np.ones((len(faces), 1))], axis=1)
    for some in draws.blocks(len(faces)):
        sums = draws.times(faces, some).astype(np.float64).T @ terms
        drawn[some] = ratio(sums[:, :-1], sums[:, -1:])
    rate = ratio(passed.sum(axis=0), np.full(passed.shape[1], len(faces)))
    interval = percentiles(drawn, (0.025, 0.975))
    for place in np.flatnonzero(np.isin(rate, (0, 1))):
        interval[place] = share_interval(rate[place], draws.sets(faces))
    return Rates(rate, interval, drawn)


def first_below(rate: Floats, target: float) -> NDArray[np.int64]:
    """Index of the first threshold from which on all rates are at most the target, [...]; T if the last rate is above it.

    Args:
        rate: At each of T thresholds, from the mildest to the strictest, [..., T].
        target: In 0..1.
    """
    above = ~(rate <= target)
    last_above = rate.shape[-1] - 1 - np.argmax(above[..., ::-1], axis=-1)
    return np.where(above.any(axis=-1), last_above + 1, 0)
