"""Statistics of faces that are not plain means, in a form that a bootstrap can resample."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.predictions import Predictions

Floats = NDArray[np.float64]


class Statistic(Protocol):
    """A number that describes some faces."""

    def __call__(self, faces: Predictions) -> float | None:
        """The number for N faces with N > 0; None if it is undefined for them."""

    def resampled(self, faces: Predictions, times: NDArray[np.integer]) -> Floats:
        """The number for resamples of the faces.

        Args:
            faces: N faces.
            times: How often each face is in each of R resamples, [N, R].

        Returns:
            [R], NaN where it is undefined.
        """


class OfSums:
    """A function of sums over faces: a mean, a ratio of counts, a root mean square.

    Args:
        terms: Maps N faces to K numbers each, [N, K].
        value: Maps the sums of these numbers, [..., K], to the statistic, [...]; NaN where it is undefined.
    """

    def __init__(self, terms: Callable[[Predictions], Floats], value: Callable[[Floats], Floats]) -> None:
        self.terms = terms
        self.value = value

    def __call__(self, faces: Predictions) -> float | None:
        """The statistic of N faces; None if it is undefined."""
        return defined(self.value(self.terms(faces).sum(axis=0)))

    def resampled(self, faces: Predictions, times: NDArray[np.integer]) -> Floats:
        """The statistic of each resample; see `Statistic.resampled`."""
        return self.value(times.T.astype(np.float64) @ self.terms(faces))


class MeanOf(OfSums):
    """The mean of one number a face.

    Args:
        numbers: Maps N faces to numbers [N].
    """

    def __init__(self, numbers: Callable[[Predictions], NDArray[np.generic]]) -> None:
        def terms(faces: Predictions) -> Floats:
            values = numbers(faces).astype(np.float64)
            return np.stack([values, np.ones(len(values))], axis=1)

        super().__init__(terms, lambda sums: ratio(sums[..., 0], sums[..., 1]))


class MedianOf:
    """The median of one number a face.

    Args:
        numbers: Maps N faces to numbers [N].
    """

    def __init__(self, numbers: Callable[[Predictions], Floats]) -> None:
        self.numbers = numbers

    def __call__(self, faces: Predictions) -> float | None:
        """The median; the mean of the two middle numbers if N is even."""
        return float(np.median(self.numbers(faces)))

    def resampled(self, faces: Predictions, times: NDArray[np.integer]) -> Floats:
        """The median of each resample; see `Statistic.resampled`."""
        values = self.numbers(faces)
        order = np.argsort(values, kind="stable")
        values, up_to = values[order], np.cumsum(times[order], axis=0, dtype=np.int32)
        total = up_to[-1]
        middle = [values[np.argmax(up_to > position, axis=0)] for position in ((total - 1) // 2, total // 2)]
        return np.where(total > 0, (middle[0] + middle[1]) / 2, np.nan)


class AreaUnderROC:
    """Area under the ROC curve: the probability that a positive face has a higher score than a negative one.

    Equal scores count one half (Mann and Whitney, 1947).

    Args:
        scores: Maps N faces to scores [N].
        positive: Maps N faces to bool [N].
    """

    def __init__(self, scores: Callable[[Predictions], Floats], positive: Callable[[Predictions], NDArray[np.bool_]]) -> None:
        self.scores = scores
        self.positive = positive

    def __call__(self, faces: Predictions) -> float | None:
        """The area; None unless there are positive and negative faces."""
        return defined(self.resampled(faces, np.ones((len(faces), 1), dtype=np.int64))[0])

    def resampled(self, faces: Predictions, times: NDArray[np.integer]) -> Floats:
        """The area in each resample; see `Statistic.resampled`."""
        scores = self.scores(faces)
        order = np.argsort(scores, kind="stable")
        scores, positive, drawn = scores[order], self.positive(faces)[order], times[order]
        # For each positive face: the negative ones with a lower score, and half of those with an equal one.
        negative = np.cumsum(drawn * ~positive[:, None], axis=0, dtype=np.int32)
        negative = np.concatenate([np.zeros((1, drawn.shape[1]), dtype=np.int32), negative])
        first, last = (np.searchsorted(scores, scores[positive], side) for side in ("left", "right"))
        beaten = np.einsum("nr,nr->r", drawn[positive], negative[first] + negative[last], dtype=np.float64)
        pairs = drawn[positive].sum(axis=0, dtype=np.float64) * negative[-1]
        return ratio(beaten / 2, pairs)


def ratio(some: ArrayLike, of: ArrayLike) -> Floats:
    """``some / of`` for each element; NaN where ``of`` is 0."""
    some, of = np.broadcast_arrays(np.asarray(some, dtype=np.float64), np.asarray(of, dtype=np.float64))
    return np.divide(some, of, out=np.full(of.shape, np.nan), where=of != 0)


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis of the values that are not NaN; NaN if all of them are."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def one_hot(codes: NDArray[np.integer], size: int) -> Floats:
    """Rows with a 1 at the place of each code, [N, size]."""
    return (codes[:, None] == np.arange(size)).astype(np.float64)


def defined(value: Floats) -> float | None:
    """A number; None for NaN."""
    return None if np.isnan(value) else float(value)
