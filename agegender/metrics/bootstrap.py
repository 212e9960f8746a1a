"""Confidence interval of a mean: percentile bootstrap over faces."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DRAWS_AT_ONCE = 2_000_000  # limits the memory to about 25 MB for any number of faces


def mean_ci95(values: ArrayLike, seed: int, resamples: int = 1000, groups: ArrayLike | None = None) -> list[float]:
    """95% confidence interval of the mean, [low, high] (Efron's percentile bootstrap, 1979).

    Args:
        values: One number a face, [N] with N > 0; a single value gives an interval of width 0.
        seed: The same seed and values give the same interval.
        resamples: Number of resamples, each of as many groups as there are, drawn with replacement.
        groups: The group of each face, [N]. Faces of one group (copies, one person) are drawn together. None: every face is
            its own group.

    Raises:
        ValueError: There are no values.
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        raise ValueError("a mean needs at least one value")
    sums, sizes = by_group(values[:, None], groups)
    sums, alone = sums[:, 0], bool((sizes == 1).all())
    random = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // len(sums))
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        some = means[start : start + rows]
        drawn = random.integers(len(sums), size=(len(some), len(sums)), dtype=np.int32)
        some[:] = sums[drawn].mean(axis=1) if alone else sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return np.percentile(means, [2.5, 97.5]).tolist()


def by_group(values: NDArray[np.float64], groups: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums [G, M] of values [N, M] and sizes [G] of the groups; in the order of the faces if every face is its own group."""
    if groups is None:
        return values, np.ones(len(values))
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) == len(values):
        return values, np.ones(len(values))
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, codes, values)
    return sums, np.bincount(codes).astype(np.float64)
