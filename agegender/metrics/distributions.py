"""Scores and summaries of predicted age distributions: CRPS, PIT, quantiles, the probability of being under age."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.predictions import Predictions

Floats = NDArray[np.float64]

LEGAL_AGES = (18, 21)
LEVELS = (50, 80, 90, 95)  # percent, of the age intervals
QUANTILES = {  # columns of a table of predictions
    "age_q025": 0.025, "age_q05": 0.05, "age_q10": 0.1, "age_q25": 0.25, "age_q75": 0.75, "age_q90": 0.9, "age_q95": 0.95,
    "age_q975": 0.975,
}  # fmt: skip
ENDS = {level: (list(QUANTILES)[3 - i], list(QUANTILES)[4 + i]) for i, level in enumerate(LEVELS)}  # of the central intervals


def scored(faces: Predictions) -> NDArray[np.bool_] | None:
    """Faces with a CRPS, [N]; None without predicted distributions."""
    return None if faces.crps is None else ~np.isnan(faces.crps)


def crps_of(faces: Predictions) -> Floats:
    """The CRPS of each face in years, [N]."""
    return faces.crps


def summary_columns(
    distribution: ArrayLike, first_age: int, low: ArrayLike, high: ArrayLike, legal_ages: Sequence[int] = LEGAL_AGES
) -> dict[str, Floats]:
    """What a table of predictions keeps of the age distributions, each column [N].

    Args:
        distribution: Probability of each whole year from ``first_age`` on, [N, A].
        first_age: In years.
        low: Lower end of the age label, [N]; NaN where unknown.
        high: Upper end of the age label, [N].
        legal_ages: In years.

    Returns:
        ``age_q025`` to ``age_q975``, quantiles in years; ``probability_under_AGE`` for each legal age; ``age_crps`` in years,
        ``age_pit_low`` and ``age_pit_high``, which are NaN without an exact label.
    """
    probabilities = np.asarray(distribution, dtype=np.float64)
    up_to = np.cumsum(probabilities, axis=1)
    up_to /= up_to[:, -1:]
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    age = np.where(low == high, low, np.nan)
    below, including = pit(up_to, first_age, age)
    return {
        **{name: quantile(up_to, first_age, share) for name, share in QUANTILES.items()},
        **{f"probability_under_{legal}": _up_to(up_to, first_age, np.full(len(up_to), legal - 1.0)) for legal in legal_ages},
        "age_crps": crps(up_to, first_age, age),
        "age_pit_low": below,
        "age_pit_high": including,
    }


def quantile(up_to: Floats, first_age: int, share: float) -> Floats:
    """Age in years below which this share of the probability lies, [N].

    The probability of a year is spread evenly from half a year below to half a year above it, as in the median of the heads.

    Args:
        up_to: Cumulative probabilities of the years from ``first_age`` on, [N, A].
        first_age: In years.
        share: In 0..1, without both ends.
    """
    year = np.minimum((up_to < share).sum(axis=1), up_to.shape[1] - 1)
    rows = np.arange(len(up_to))
    below = np.where(year > 0, up_to[rows, np.maximum(year - 1, 0)], 0.0)
    inside = up_to[rows, year] - below
    return first_age + year - 0.5 + np.clip((share - below) / np.where(inside > 0, inside, 1), 0, 1)


def crps(up_to: Floats, first_age: int, age: Floats) -> Floats:
    """Continuous ranked probability score in years, [N]: 0 is perfect; a single predicted age scores its absolute error.

    It is the sum over the years of (F(year) - [age <= year])^2 (Gneiting and Raftery, 2007).

    Args:
        up_to: Cumulative probabilities F of the years from ``first_age`` on, [N, A].
        first_age: In years.
        age: Exact labels in years, [N]; NaN gives NaN. A year outside the A years is clamped into them.
    """
    last = first_age + up_to.shape[1] - 1
    reached = np.arange(first_age, last + 1) >= np.clip(age, first_age, last)[:, None]
    outside = age - np.clip(age, first_age, last)
    return np.where(np.isnan(age), np.nan, ((up_to - reached) ** 2).sum(axis=1) + np.abs(outside))


def pit(up_to: Floats, first_age: int, age: Floats) -> tuple[Floats, Floats]:
    """Probability integral transform of a discrete distribution: F(age - 1) and F(age), each [N].

    Args:
        up_to: Cumulative probabilities F of the years from ``first_age`` on, [N, A].
        first_age: In years.
        age: Exact labels in years, [N]; NaN gives NaN.
    """
    return _up_to(up_to, first_age, age - 1), _up_to(up_to, first_age, age)


def _up_to(up_to: Floats, first_age: int, age: Floats) -> Floats:
    """F(age) of each face, [N]; 0 below the first year, 1 from the last year on, NaN for NaN."""
    place = np.floor(np.nan_to_num(age)).astype(np.int64) - first_age
    inside = up_to[np.arange(len(up_to)), np.clip(place, 0, up_to.shape[1] - 1)]
    return np.where(np.isnan(age), np.nan, np.where(place < 0, 0.0, inside))


def pit_histogram(low: Floats, high: Floats, bins: int = 10) -> Floats:
    """Share of the probability integral transform in each of equal bins of 0..1, [bins]; flat if the model is calibrated.

    Each face is spread evenly over [F(age - 1), F(age)] (Czado, Gneiting and Held, 2009), so nothing is random.

    Args:
        low: F(age - 1) of N faces, N > 0.
        high: F(age).
        bins: Number of bins.
    """
    edges = np.linspace(0, 1, bins + 1)
    width = np.maximum(high - low, 1e-12)[:, None]
    return np.diff(np.clip((edges - low[:, None]) / width, 0, 1).mean(axis=0))
