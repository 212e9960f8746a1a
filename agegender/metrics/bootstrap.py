"""How sure a mean is: percentile bootstrap over faces."""

import numpy as np
from numpy.typing import ArrayLike

_DRAWS_AT_ONCE = 2_000_000  # bounds the memory to about 25 MB however many faces there are


def mean_ci95(values: ArrayLike, seed: int, resamples: int = 1000) -> list[float]:
    """95% confidence interval of the mean, [low, high] (Efron's percentile bootstrap, 1979).

    Args:
        values: one number a face, [N] with N > 0; a single value gives an interval of width 0.
        seed: the same seed and values give the same interval.
        resamples: how often N values are drawn with replacement.

    Raises:
        ValueError: if there are no values.
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        raise ValueError("a mean needs at least one value")
    random = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // len(values))
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        part = means[start : start + rows]
        part[:] = values[random.integers(len(values), size=(len(part), len(values)), dtype=np.int32)].mean(axis=1)
    return np.percentile(means, [2.5, 97.5]).tolist()
