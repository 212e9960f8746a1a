"""Which differences between models are larger than chance, on the same test faces and over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from agegender.comparison.per_face import per_face_of
from agegender.comparison.rows import Row
from agegender.evaluation.measured_faces import groups_of
from agegender.metrics.chance import Difference, holm
from agegender.metrics.metric import Metric
from agegender.metrics.paired import on_one_set, on_several_sets
from agegender.metrics.registry import shown

LEVEL = 0.05
Values = dict[int, NDArray[np.float64]]  # one number a face, by the id of a run


@dataclass(frozen=True)
class Pair:
    """Two rows and one metric: first minus second.

    Args:
        metric: Of the registry.
        first: Name of a row.
        second: Name of another.
        difference: With interval and p-value of this pair alone.
        adjusted: The p-value after Holm's correction for all pairs and metrics of the table.
        seeds: Number of seeds of each row.
    """

    metric: Metric
    first: str
    second: str
    difference: Difference
    adjusted: float
    seeds: tuple[int, int]

    @property
    def larger_than_chance(self) -> bool:
        """Whether the corrected p-value is below 0.05."""
        return self.adjusted < LEVEL


def differences(rows: Sequence[Row], classes: Sequence[float] = (), seed: int = 0) -> list[Pair]:
    """Compares rows that were tested on the same faces, pair by pair, by every headline metric.

    Args:
        rows: All with the same ``test_sets``.
        classes: First year of each age class, for ``age_class_accuracy``.
        seed: Of the draws.

    Returns:
        Every metric for every pair of rows that have it, in the order of the rows.
    """
    found: list[tuple[Metric, Row, Row, Difference]] = []
    values: dict[str, Values] = {}
    for metric in shown("headline"):
        measured = ((run, per_face_of(run, metric, classes)) for row in rows for run in row.runs)
        values[metric.key] = {id(run): numbers for run, numbers in measured if numbers is not None}
        if metric.repeats and _same(values[metric.key], values.get(metric.repeats, {})):
            continue
        able = [row for row in rows if all(id(run) in values[metric.key] for run in row.runs)]
        if len(able) > 1:
            compare = _on_one_set if len(able[0].test_sets) == 1 else _on_several_sets
            pairs = zip(combinations(able, 2), compare(able, values[metric.key], seed), strict=True)
            found += [(metric, first, second, value) for (first, second), value in pairs]
    adjusted = holm([value.p for *_, value in found])
    return [
        Pair(metric, first.name, second.name, value, p, (len(first.runs), len(second.runs)))
        for (metric, first, second, value), p in zip(found, adjusted, strict=True)
    ]


def _same(values: Values, others: Values) -> bool:
    return values.keys() == others.keys() and all(np.array_equal(values[run], others[run], equal_nan=True) for run in values)


def _on_one_set(rows: Sequence[Row], values: Values, seed: int) -> list[Difference]:
    recipes = [np.stack([values[id(run)] for run in row.runs]) for row in rows]
    known = ~np.isnan(np.concatenate(recipes)).any(axis=0)
    faces = rows[0].runs[0].faces()
    assert faces is not None  # they were measured
    return on_one_set([recipe[:, known] for recipe in recipes], seed, groups_of(faces)[known])


def _on_several_sets(rows: Sequence[Row], values: Values, seed: int) -> list[Difference]:
    run, sets = rows[0].runs[0], rows[0].test_sets
    share = run.count(run.tested) / max(run.origin.count("train"), 1)
    return on_several_sets([[_mean_on(test_set, row, values) for test_set in sets] for row in rows], share, seed)


def _mean_on(test_set: str, row: Row, values: Values) -> float:
    return float(np.mean([np.nanmean(values[id(run)]) for run in row.runs if run.test_set == test_set]))
