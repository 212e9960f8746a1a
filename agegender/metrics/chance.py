"""Is a difference larger than chance? Numbers in, numbers out."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.bootstrap import by_group

DRAWS = 10_000
FEW = 10  # fewer draws than these beyond zero tell no small p-value
_AT_ONCE = 2_000_000  # bounds the memory to about 50 MB however many faces there are


class Difference(NamedTuple):
    """First minus second: the difference of the means, its 95% interval, and the two-sided p-value of there being none."""

    value: float
    low: float
    high: float
    p: float


class SeedChance(NamedTuple):
    """How models of one recipe scatter over seeds, as all recipes of a table together show it.

    Args:
        variance: Of a model's mean figure over seeds.
        share_of_faces: That part of it which is due to these faces, and which a bootstrap over faces sees as well.
        freedom: Degrees of freedom; 0 where no recipe has several seeds, and nothing is known.
    """

    variance: float
    share_of_faces: float
    freedom: int


def bootstrap_means(values: ArrayLike, seed: int, draws: int = DRAWS, groups: ArrayLike | None = None) -> NDArray[np.float64]:
    """Means over resampled faces, the same faces for every model: the paired bootstrap (Efron, 1979).

    Args:
        values: one number a face and model, [N, M] with N > 0.
        seed: the same seed and N give the same faces.
        draws: how often N faces are drawn with replacement.
        groups: a whole number a face, [N]; faces that share one (copies, a person) are drawn together, as many groups as
            there are (the cluster bootstrap). None: every face alone.

    Returns:
        [draws, M].
    """
    values = np.asarray(values, dtype=np.float64)
    sums, sizes = by_group(values, groups)
    count = len(sums)
    random = np.random.default_rng(seed)
    means = np.empty((draws, values.shape[1]))
    rows = max(1, _AT_ONCE // count)
    for start in range(0, draws, rows):
        part = means[start : start + rows]
        drawn = random.integers(count, size=(len(part), count)) + count * np.arange(len(part))[:, None]
        times = np.bincount(drawn.ravel(), minlength=len(part) * count).reshape(len(part), count)
        part[:] = times @ sums / (times @ sizes)[:, None]
    return means


def seed_chance(recipes: Sequence[ArrayLike], groups: ArrayLike | None = None) -> SeedChance:
    """Pools the scatter over seeds of all recipes: two or three seeds of one alone would tell next to nothing.

    Args:
        recipes: of each, one number a seed and face, [K, N], of the same N faces; K may differ and be 1.
        groups: as for ``bootstrap_means``.
    """
    variance, of_faces, freedom = 0.0, 0.0, 0
    for recipe in recipes:
        values = np.asarray(recipe, dtype=np.float64)
        if len(values) < 2:
            continue
        apart = values - values.mean(axis=0)
        means = apart.mean(axis=1, keepdims=True)
        sums, _ = by_group((apart - means).T, groups)
        variance += float((means**2).sum())
        of_faces += float((sums**2).sum()) / values.shape[1] ** 2
        freedom += len(values) - 1
    if not freedom:
        return SeedChance(0.0, 0.0, 0)
    return SeedChance(variance / freedom, of_faces / freedom, freedom)


def t_noise(scales: Sequence[float], freedom: int, seed: int, draws: int = DRAWS) -> NDArray[np.float64]:
    """How far means may be off whose variances were all estimated as one: [draws, M], differences of two are Student's t.

    Args:
        scales: standard error of each of the M means.
        freedom: degrees of freedom of their common estimate; 0: all is zero, since nothing is known.
        seed: of the draws.
        draws: how many.
    """
    if not freedom:
        return np.zeros((draws, len(scales)))
    random = np.random.default_rng([seed, 1])
    common = np.sqrt(freedom / random.chisquare(freedom, size=draws))
    return random.standard_normal((draws, len(scales))) * np.asarray(scales) * common[:, None]


def difference(value: float, draws: NDArray[np.float64], error: float = 0.0, freedom: float = math.inf) -> Difference:
    """Reads interval and p-value off the draws of a difference whose measured value is given.

    Where fewer than 10 draws lie beyond zero, the p-value is that of Student's t with the given standard error, if it is
    smaller: counting draws cannot give less than 2 / ``DRAWS``, too much for a correction for hundreds of comparisons.

    Args:
        value: the difference of the means.
        draws: of it, [draws].
        error: its standard error; 0: the draws are only counted.
        freedom: degrees of freedom of the standard error.
    """
    low, high = np.percentile(draws, [2.5, 97.5])
    tail = min(np.count_nonzero(draws <= 0), np.count_nonzero(draws >= 0))
    p = min(1.0, 2 * (tail + 1) / (len(draws) + 1))
    if tail < FEW and error > 0:
        p = min(p, t_tails(value / error, freedom))
    return Difference(value, float(low), float(high), p)


def t_tails(t: float, freedom: float) -> float:
    """Both tails of Student's t beyond +-t, within some percent of their logarithm (Wallace, 1959)."""
    z = abs(t)
    if math.isfinite(freedom):
        z = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return math.erfc(z / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being several: below 0.05, all of them together are wrong in at most 5% (Holm, 1979)."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def two_proportions(first: float, n_first: int, second: float, n_second: int) -> float:
    """Two-sided p-value that two shares, each of its own n faces, differ by chance alone (pooled z-test).

    For published figures, whose predictions nobody has. On the same faces the paired bootstrap sees smaller differences.

    Raises:
        ValueError: if a share is not in 0..1 or there are no faces.
    """
    if not (0 <= first <= 1 and 0 <= second <= 1 and n_first > 0 and n_second > 0):
        raise ValueError(f"two shares in 0..1, each of some faces, not {first} of {n_first} and {second} of {n_second}")
    pooled = (first * n_first + second * n_second) / (n_first + n_second)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_first + 1 / n_second))
    return 1.0 if error == 0 else math.erfc(abs(first - second) / error / math.sqrt(2))
