"""How much metrics differ between groups of faces: the best and the worst group, their gap, and tests against chance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agegender.metrics.chance import FEW, t_tails
from agegender.metrics.resampling import Cells, Draws, MetricTable, percentiles
from agegender.metrics.statistic import Floats

FEWEST = 5  # a bootstrap over fewer faces gives no meaningful interval
_AT_ONCE = 15_000_000  # limits the memory of the resampled sums to about 120 MB


@dataclass(frozen=True)
class Disparities:
    """Metrics of C groups; M metrics.

    Attributes:
        values: [C, M], NaN where undefined.
        numbers: Faces with the labels of the metric, [C, M].
        intervals: 95% bootstrap intervals, [C, M, 2]; NaN for fewer than 5 faces.
        ranked: Whether a group has enough faces to be ranked, [C, M]; False everywhere if fewer than two groups have.
        gaps: How much worse than the best ranked group, [C, M], 0 or more; NaN unless ranked.
        gap_intervals: 95% bootstrap intervals of the gaps, [C, M, 2].
        p_values: Two-sided, for equal metrics of a ranked group and of all other faces, [C, M], not corrected for several
            tests. NaN unless ranked, and for medians and areas under curves.
        best: Index of the best ranked group, [M]; -1 without ranked groups.
        worst: Index of the worst ranked group, [M]; -1 without ranked groups.
    """

    values: Floats
    numbers: NDArray[np.int64]
    intervals: Floats
    ranked: NDArray[np.bool_]
    gaps: Floats
    gap_intervals: Floats
    p_values: Floats
    best: NDArray[np.int64]
    worst: NDArray[np.int64]


def disparities(table: MetricTable, cells: Cells, draws: Draws, minimum: int) -> Disparities:
    """Measures groups that have no face in common.

    Args:
        table: The metrics.
        cells: C groups of its faces.
        draws: Resamples of the same faces.
        minimum: Faces with the labels of a metric that a group needs to be ranked by it.
    """
    values, numbers = table.values(cells), table.numbers(cells)
    ranked = (numbers >= minimum) & ~np.isnan(values)
    ranked &= ranked.sum(axis=0) > 1
    badness = _badness(table, np.where(ranked, values, np.nan))
    some = ranked.any(axis=0)
    best, worst = (np.where(some, order, -1) for order in _extremes(badness))
    intervals = np.full((*values.shape, 2), np.nan)
    gap_intervals, p_values = intervals.copy(), np.full(values.shape, np.nan)
    drawn_best, sums_of_all = _drawn_best(table, cells, draws, best), table.drawn_sums([_union(cells)], draws)
    total = table.sums([_union(cells)])
    tested = [row for row in range(len(cells)) if len(cells[row]) >= FEWEST]
    for rows in _blocks(tested, draws, total.shape[1]):
        own = [cells[row] for row in rows]
        sums = table.drawn_sums(own, draws)
        drawn = table.drawn(own, draws, sums)
        intervals[rows] = table.intervals(own, values[rows], drawn, draws)
        if not ranked[rows].any():
            continue
        gap_intervals[rows] = percentiles(_badness(table, drawn) - drawn_best[:, None], (0.025, 0.975))
        rest = table.of_sums(total - table.sums(own))
        p_values[rows] = _p_values(values[rows] - rest, drawn - table.of_sums(sums_of_all - sums), [draws.sets(c) for c in own])
    gaps = badness - badness.min(axis=0, initial=np.inf, where=~np.isnan(badness))
    intervals[numbers < FEWEST] = np.nan
    gap_intervals[~ranked], p_values[~ranked] = np.nan, np.nan
    return Disparities(values, numbers, intervals, ranked, gaps, gap_intervals, p_values, best, worst)


def _badness(table: MetricTable, values: Floats) -> Floats:
    """Values [..., M] as numbers that are smaller the better."""
    metrics = table.metrics
    return np.stack([metrics[number].badness(values[..., number]) for number in range(len(metrics))], axis=-1)


def _extremes(badness: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not len(badness):
        return np.zeros(badness.shape[1], dtype=np.int64), np.zeros(badness.shape[1], dtype=np.int64)
    missing = np.isnan(badness)
    return np.where(missing, np.inf, badness).argmin(axis=0), np.where(missing, -np.inf, badness).argmax(axis=0)


def _union(cells: Cells) -> NDArray[np.int64]:
    return np.sort(np.concatenate([*cells, np.zeros(0, dtype=np.int64)]))


def _drawn_best(table: MetricTable, cells: Cells, draws: Draws, best: NDArray[np.int64]) -> Floats:
    """Badness of the best group of each metric in each resample, [R, M]."""
    found = np.full((draws.resamples, len(best)), np.nan)
    for row in np.unique(best[best >= 0]):
        drawn = _badness(table, table.drawn([cells[row]], draws))[:, 0]
        found[:, best == row] = drawn[:, best == row]
    return found


def _blocks(rows: list[int], draws: Draws, terms: int) -> Iterator[list[int]]:
    size = max(1, _AT_ONCE // (draws.resamples * max(terms, 1)))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _p_values(differences: Floats, drawn: Floats, sets: list[int]) -> Floats:
    """Two-sided p-values [C, M] of differences [C, M], from their resamples [R, C, M]; see ``chance.difference``."""
    known = (~np.isnan(drawn)).sum(axis=0)
    tails = np.minimum((drawn <= 0).sum(axis=0), (drawn >= 0).sum(axis=0))
    p_values = np.minimum(1.0, 2 * (tails + 1) / (known + 1))
    for row, column in np.argwhere((tails < FEW) & (known > 1)):
        one = drawn[:, row, column]
        error = float(one[~np.isnan(one)].std())
        if error > 0:
            p_values[row, column] = min(p_values[row, column], t_tails(differences[row, column] / error, max(sets[row] - 1, 1)))
    return np.where((known > 0) & ~np.isnan(differences), p_values, np.nan)
