"""Statistics of differences: bootstrap, Student's t over seeds, correction for several tests."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000
FEW = 10  # with fewer draws beyond zero, a small p-value is not read from their number
_AT_ONCE = 2_000_000  # limits the memory to about 50 MB for any number of faces


class Difference(NamedTuple):
    """Difference of two means, first minus second, with its 95% interval and the two-sided p-value for equal means."""

    value: float
    low: float
    high: float
    p: float


class SeedVariance(NamedTuple):
    """Variance of a metric over seeds, pooled over recipes.

    Args:
        variance: Of the metric of a model over seeds.
        of_faces: The component of it that is due to the sample of faces; a bootstrap over faces measures it, too.
        freedom: Degrees of freedom; 0 if no recipe has several seeds, so that the variance is unknown.
    """

    variance: float
    of_faces: float
    freedom: int


def bootstrap_means(values: ArrayLike, seed: int, draws: int = DRAWS, groups: ArrayLike | None = None) -> NDArray[np.float64]:
    """Means over resampled faces, the same faces for every model: the paired bootstrap (Efron, 1979).

    Args:
        values: One number a face and model, [N, M] with N > 0.
        seed: The same seed and N give the same faces.
        draws: Number of resamples, each of as many groups as there are, drawn with replacement.
        groups: The group of each face as an integer, [N]. Faces of one group (copies, one person) are drawn together (cluster
            bootstrap). None: every face is its own group.

    Returns:
        [draws, M].
    """
    values = np.asarray(values, dtype=np.float64)
    sums, sizes = _by_group(values, groups)
    count = len(sums)
    random = np.random.default_rng(seed)
    means = np.empty((draws, values.shape[1]))
    rows = max(1, _AT_ONCE // count)
    for start in range(0, draws, rows):
        some = means[start : start + rows]
        drawn = random.integers(count, size=(len(some), count)) + count * np.arange(len(some))[:, None]
        times = np.bincount(drawn.ravel(), minlength=len(some) * count).reshape(len(some), count)
        some[:] = times @ sums / (times @ sizes)[:, None]
    return means


def _by_group(values: NDArray[np.float64], groups: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums [G, M] of values [N, M] and sizes [G] of the groups; in the order of the faces if every face is its own group."""
    if groups is None:
        return values, np.ones(len(values))
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) == len(values):
        return values, np.ones(len(values))
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, codes, values)
    return sums, np.bincount(codes).astype(np.float64)


def seed_variance(recipes: Sequence[ArrayLike], groups: ArrayLike | None = None) -> SeedVariance:
    """Pools the variance over seeds of all recipes, because two or three seeds of one recipe are too few to estimate it.

    Args:
        recipes: For each recipe one number a seed and face, [K, N], of the same N faces. K may differ and be 1.
        groups: As for ``bootstrap_means``.
    """
    variance, of_faces, freedom = 0.0, 0.0, 0
    for recipe in recipes:
        values = np.asarray(recipe, dtype=np.float64)
        if len(values) < 2:
            continue
        apart = values - values.mean(axis=0)
        means = apart.mean(axis=1, keepdims=True)
        sums, _ = _by_group((apart - means).T, groups)
        variance += float((means**2).sum())
        of_faces += float((sums**2).sum()) / values.shape[1] ** 2
        freedom += len(values) - 1
    if not freedom:
        return SeedVariance(0.0, 0.0, 0)
    return SeedVariance(variance / freedom, of_faces / freedom, freedom)


def t_noise(scales: Sequence[float], freedom: int, seed: int, draws: int = DRAWS) -> NDArray[np.float64]:
    """Random errors of M means with a common estimate of variance, so that their differences follow Student's t.

    Args:
        scales: Standard error of each mean.
        freedom: Degrees of freedom of the estimate; 0 if the variance is unknown, which gives zeros.
        seed: Of the draws.
        draws: Number of draws.

    Returns:
        [draws, M].
    """
    if not freedom:
        return np.zeros((draws, len(scales)))
    random = np.random.default_rng([seed, 1])
    common = np.sqrt(freedom / random.chisquare(freedom, size=draws))
    return random.standard_normal((draws, len(scales))) * np.asarray(scales) * common[:, None]


def difference(value: float, draws: NDArray[np.float64], error: float = 0.0, freedom: float = math.inf) -> Difference:
    """Interval and p-value of a difference, from its draws.

    If fewer than 10 draws lie beyond zero, the p-value is the smaller one of theirs and that of Student's t with the given
    standard error. The number of draws alone cannot give less than 2 / ``DRAWS``, which is too much for a correction for
    hundreds of comparisons.

    Args:
        value: The measured difference of the means.
        draws: Draws of the difference, [draws].
        error: Its standard error; 0: the p-value is from the draws only.
        freedom: Degrees of freedom of the standard error.
    """
    low, high = np.percentile(draws, [2.5, 97.5])
    tail = min(np.count_nonzero(draws <= 0), np.count_nonzero(draws >= 0))
    p = min(1.0, 2 * (tail + 1) / (len(draws) + 1))
    if tail < FEW and error > 0:
        p = min(p, t_tails(value / error, freedom))
    return Difference(value, float(low), float(high), p)


def t_tails(t: float, freedom: float) -> float:
    """Probability of both tails of Student's t beyond +-t; its logarithm is accurate to some percent (Wallace, 1959)."""
    z = abs(t)
    if math.isfinite(freedom):
        z = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return math.erfc(z / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for several tests: with a level of 5%, the chance of any false positive is at most 5% (Holm, 1979)."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def two_proportions(first: float, n_first: int, second: float, n_second: int) -> float:
    """Two-sided p-value for equal proportions on independent samples (pooled z-test).

    It is for published values, because their predictions are not published. On the same faces the paired bootstrap detects
    smaller differences.

    Args:
        first: A share in 0..1.
        n_first: Number of its faces.
        second: Another share.
        n_second: Number of its faces.

    Raises:
        ValueError: A share is not in 0..1, or there are no faces.
    """
    if not (0 <= first <= 1 and 0 <= second <= 1 and n_first > 0 and n_second > 0):
        raise ValueError(f"expected shares in 0..1 of at least one face, not {first} of {n_first} and {second} of {n_second}")
    pooled = (first * n_first + second * n_second) / (n_first + n_second)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_first + 1 / n_second))
    return 1.0 if error == 0 else math.erfc(abs(first - second) / error / math.sqrt(2))
