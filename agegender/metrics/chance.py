"""Is a difference larger than chance? Numbers in, numbers out."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000  # the smallest p-value is about 2 / DRAWS
_AT_ONCE = 2_000_000  # bounds the memory to about 50 MB however many faces there are


class Difference(NamedTuple):
    """First minus second: the difference of the means, its 95% interval, and the two-sided p-value of there being none."""

    value: float
    low: float
    high: float
    p: float


def bootstrap_means(values: ArrayLike, seed: int, draws: int = DRAWS) -> NDArray[np.float64]:
    """Means over resampled faces, the same faces for every model: the paired bootstrap (Efron, 1979).

    Args:
        values: one number a face and model, [N, M] with N > 0.
        seed: the same seed and N give the same faces.
        draws: how often N faces are drawn with replacement.

    Returns:
        [draws, M].
    """
    values = np.asarray(values, dtype=np.float64)
    faces = len(values)
    random = np.random.default_rng(seed)
    means = np.empty((draws, values.shape[1]))
    rows = max(1, _AT_ONCE // faces)
    for start in range(0, draws, rows):
        part = means[start : start + rows]
        drawn = random.integers(faces, size=(len(part), faces)) + faces * np.arange(len(part))[:, None]
        times = np.bincount(drawn.ravel(), minlength=len(part) * faces).reshape(len(part), faces)
        part[:] = times @ values / faces
    return means


def seed_noise(means: Sequence[float], seed: int, share: float = 0.0, draws: int = DRAWS) -> NDArray[np.float64]:
    """How far the mean over these few seeds may be off, [draws]: Student's t, scaled by their standard error.

    With fewer than two seeds nothing is known of it, and all is zero.

    Args:
        means: one figure a seed.
        seed: of the draws.
        share: test faces per training face, where every seed splits the faces anew: the training parts then overlap, and
            the variance is larger by this share than of independent runs (Nadeau and Bengio, 2003). Else 0.
        draws: how many.
    """
    count = len(means)
    if count < 2:
        return np.zeros(draws)
    scale = float(np.std(means, ddof=1)) * math.sqrt(1 / count + share)
    return scale * np.random.default_rng([seed, 1]).standard_t(count - 1, size=draws)


def difference(value: float, draws: NDArray[np.float64]) -> Difference:
    """Reads interval and p-value off the draws of a difference whose measured value is given."""
    low, high = np.percentile(draws, [2.5, 97.5])
    tail = min(np.count_nonzero(draws <= 0), np.count_nonzero(draws >= 0))
    return Difference(value, float(low), float(high), min(1.0, 2 * (tail + 1) / (len(draws) + 1)))


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
