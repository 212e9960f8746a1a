"""Bootstrap of all metrics over many groups of faces at once (Efron, 1979), with tied faces drawn together.

Most metrics are functions of sums over faces. The sums of all resamples are one product of matrices: how often each face is
in each resample, times the terms of each face. Medians and areas under curves are computed from the same draws.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.measure import labelled, statistic
from agegender.metrics.metric import Metric
from agegender.metrics.predictions import Predictions
from agegender.metrics.statistic import Floats, OfSums

RESAMPLES = 1000
_AT_ONCE = 4_000_000  # limits the memory of a matrix to about 32 MB for any number of faces
_TAIL = 0.025  # of each side of a 95% interval

Cells = Sequence[NDArray[np.int64]]  # for each group of faces, their indices


class Draws:
    """Resamples of faces: as many tied sets of faces as there are, drawn with replacement.

    Args:
        groups: What ties faces together (copies, one person), [N]: equal values are drawn together.
        resamples: Number of resamples R.
        seed: The same seed and groups give the same draws.
    """

    def __init__(self, groups: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> None:
        names, self.codes = np.unique(np.asarray(groups), return_inverse=True)
        self.resamples = resamples
        count, random = len(names), np.random.default_rng(seed)
        # A set is drawn once on average. In 16 bits the matrix of 20,000 faces and 2,000 resamples takes 80 MB.
        self._times = np.empty((count, resamples), dtype=np.uint16)
        rows = max(1, _AT_ONCE // max(count, 1))
        for start in range(0, resamples, rows):
            some = min(rows, resamples - start)
            drawn = random.integers(count, size=(some, count)) + count * np.arange(some)[:, None]
            self._times[:, start : start + some] = np.bincount(drawn.ravel(), minlength=some * count).reshape(some, count).T

    def times(self, faces: NDArray[np.int64], some: slice) -> NDArray[np.uint16]:
        """How often each of the faces [N] is in some of the resamples, [N, R]."""
        return self._times[self.codes[faces], some]

    def blocks(self, faces: int) -> Iterable[slice]:
        """Resamples in blocks that keep the memory small for this number of faces."""
        size = max(1, _AT_ONCE // max(faces, 1))
        return (slice(start, min(start + size, self.resamples)) for start in range(0, self.resamples, size))

    def sets(self, faces: NDArray[np.int64]) -> int:
        """Number of tied sets among these faces."""
        return len(np.unique(self.codes[faces]))


@dataclass(frozen=True)
class _Column:
    metric: Metric
    mask: NDArray[np.bool_]  # faces with the labels, [N]
    terms: slice  # its terms; empty if the metric is not a function of sums


class MetricTable:
    """Metrics of many groups of the same faces.

    Args:
        faces: N faces.
        metrics: Those that the model cannot have are left out.

    Attributes:
        metrics: The M metrics that are measured.
    """

    def __init__(self, faces: Predictions, metrics: Iterable[Metric]) -> None:
        self.faces = faces
        columns, terms, width = [], [np.zeros((len(faces), 0))], 0
        for metric in metrics:
            if not metric.is_computed or metric.needs is None or (mask := labelled(metric.needs, faces)) is None:
                continue
            found, size = statistic(metric), 0
            if isinstance(found, OfSums) and mask.any():
                own = found.terms(faces[mask])
                size = own.shape[1]
                terms.append(np.zeros((len(faces), size)))
                terms[-1][mask] = own
            columns.append(_Column(metric, mask, slice(width, width + size)))
            width += size
        self._columns = columns
        self._terms = np.concatenate(terms, axis=1)

    @property
    def metrics(self) -> list[Metric]:
        """The M metrics that are measured."""
        return [column.metric for column in self._columns]

    def numbers(self, cells: Cells) -> NDArray[np.int64]:
        """Number of faces with the labels of each metric in each of C groups, [C, M]."""
        masks = np.stack([column.mask for column in self._columns], axis=1)
        return np.array([masks[cell].sum(axis=0) for cell in cells], dtype=np.int64).reshape(len(cells), len(self._columns))

    def sums(self, cells: Cells) -> Floats:
        """Sums of the terms of each group, [C, K]."""
        return np.array([self._terms[cell].sum(axis=0) for cell in cells]).reshape(len(cells), self._terms.shape[1])

    def values(self, cells: Cells) -> Floats:
        """Each metric of each group, [C, M]; NaN where it is undefined."""
        found = self.of_sums(self.sums(cells))
        for number, column in enumerate(self._columns):
            if not isinstance(statistic(column.metric), OfSums):
                for row, cell in enumerate(cells):
                    own = cell[column.mask[cell]]
                    value = statistic(column.metric)(self.faces[own]) if len(own) else None
                    found[row, number] = np.nan if value is None else value
        return found

    def of_sums(self, sums: Floats) -> Floats:
        """Metrics [..., M] of sums [..., K]; NaN for those that are undefined or no function of sums."""
        found = np.full((*sums.shape[:-1], len(self._columns)), np.nan)
        for number, column in enumerate(self._columns):
            of = statistic(column.metric)
            if isinstance(of, OfSums) and column.terms.stop > column.terms.start:
                found[..., number] = of.value(sums[..., column.terms])
        return found

    def drawn_sums(self, cells: Cells, draws: Draws) -> Floats:
        """Sums of the terms of each group in each resample, [R, C, K]."""
        found = np.empty((draws.resamples, len(cells), self._terms.shape[1]))
        for number, cell in enumerate(cells):
            terms = self._terms[cell]
            for some in draws.blocks(len(cell)):
                found[some, number] = draws.times(cell, some).astype(np.float64).T @ terms
        return found

    def drawn(self, cells: Cells, draws: Draws, sums: Floats | None = None) -> Floats:
        """Each metric of each group in each resample, [R, C, M]; NaN where it is undefined.

        Args:
            cells: C groups.
            draws: R resamples.
            sums: What ``drawn_sums`` returned for the same; None computes it.
        """
        found = self.of_sums(self.drawn_sums(cells, draws) if sums is None else sums)
        for number, column in enumerate(self._columns):
            of = statistic(column.metric)
            if isinstance(of, OfSums):
                continue
            for row, cell in enumerate(cells):
                own = cell[column.mask[cell]]
                if not len(own):
                    continue
                faces = self.faces[own]
                for some in draws.blocks(len(own)):
                    found[some, row, number] = of.resampled(faces, draws.times(own, some))
        return found

    def intervals(self, cells: Cells, values: Floats, drawn: Floats, draws: Draws) -> Floats:
        """95% interval of each metric of each group, [C, M, 2]: percentiles of the resamples.

        A share of 0 or 1 is the same in every resample. Its interval is that of Clopper and Pearson (1934), with the number of
        tied sets of faces as the number of trials.

        Args:
            cells: C groups.
            values: Their metrics, [C, M].
            drawn: The metrics in each resample, [R, C, M].
            draws: The resamples.
        """
        found = percentiles(drawn, (_TAIL, 1 - _TAIL))
        for number, column in enumerate(self._columns):
            if not column.metric.is_proportion:
                continue
            for row in np.flatnonzero(np.isin(values[:, number], (0, 1))).tolist():
                cell = cells[row]
                found[row, number] = share_interval(values[row, number], draws.sets(cell[column.mask[cell]]))
        return found


def share_interval(share: float, trials: int) -> tuple[float, float]:
    """95% interval of a share that is 0 or 1 (Clopper and Pearson, 1934).

    Args:
        share: 0 or 1.
        trials: Number of independent trials, at least 1.
    """
    reach = _TAIL ** (1 / trials)
    return (0.0, 1 - reach) if share == 0 else (reach, 1.0)


def percentiles(drawn: Floats, shares: Sequence[float]) -> Floats:
    """Percentiles over the first axis, without NaN: [R, ...] to [..., P]; NaN where every number is NaN.

    Args:
        drawn: Numbers.
        shares: P shares in 0..1; values between two numbers are interpolated.
    """
    ordered = np.sort(drawn, axis=0)  # NaN last
    known = (~np.isnan(drawn)).sum(axis=0)
    found = []
    for share in shares:
        place = share * np.maximum(known - 1, 0)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(known - 1, 0))
        first, second = (np.take_along_axis(ordered, index[None], axis=0)[0] for index in (low, high))
        found.append(np.where(known > 0, first + (place - low) * (second - first), np.nan))
    return np.stack(found, axis=-1)
