"""Which differences between models are larger than chance, on the same test faces and over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from agegender.comparison.per_face import MEASURES, Faces, per_face
from agegender.comparison.rows import Row
from agegender.evaluation.results import groups_of
from agegender.metrics.chance import Difference, holm
from agegender.metrics.paired import on_one_set, on_several_sets

LEVEL = 0.05
Found = tuple[str, Row, Row, Difference]


@dataclass(frozen=True)
class Pair:
    """Two rows, one measure: first minus second.

    Args:
        measure: Its name in tables.
        first: Name of a row.
        second: Name of another.
        difference: With interval and p-value of this pair alone.
        adjusted: The p-value after Holm's correction for all pairs and measures of the table.
        seeds: Of either row.
    """

    measure: str
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
    """Compares rows that were tested on the same faces, pair by pair.

    Args:
        rows: All with the same ``test_sets``.
        classes: First year of each age class, for ``class_accuracy``.
        seed: Of the draws.

    Returns:
        Every measure for every pair of rows that have it, in the order of the rows.
    """
    found: list[Found] = []
    for measure in MEASURES:
        measured = ((run, per_face(measure, run.faces(), classes)) for row in rows for run in row.runs)
        faces = {id(run): values for run, values in measured if values is not None}
        able = [row for row in rows if all(id(run) in faces for run in row.runs)]
        if len(able) > 1:
            compare = _on_one_set if len(able[0].test_sets) == 1 else _on_several_sets
            pairs = zip(combinations(able, 2), compare(able, faces, seed), strict=True)
            found += [(measure, first, second, value) for (first, second), value in pairs]
    adjusted = holm([value.p for *_, value in found])
    return [
        Pair(measure, first.name, second.name, value, p, (len(first.runs), len(second.runs)))
        for (measure, first, second, value), p in zip(found, adjusted, strict=True)
    ]


def _on_one_set(rows: Sequence[Row], faces: dict[int, Faces], seed: int) -> list[Difference]:
    every = [np.stack([faces[id(run)] for run in row.runs]) for row in rows]
    known = ~np.isnan(np.concatenate(every)).any(axis=0)
    frame = rows[0].runs[0].faces()
    assert frame is not None  # they were measured
    return on_one_set([recipe[:, known] for recipe in every], seed, groups_of(frame)[known])


def _on_several_sets(rows: Sequence[Row], faces: dict[int, Faces], seed: int) -> list[Difference]:
    run, sets = rows[0].runs[0], rows[0].test_sets
    share = run.count(run.part) / max(run.origin.count("train"), 1)
    return on_several_sets([[_mean_on(test_set, row, faces) for test_set in sets] for row in rows], share, seed)


def _mean_on(test_set: str, row: Row, faces: dict[int, Faces]) -> float:
    return float(np.mean([np.nanmean(faces[id(run)]) for run in row.runs if run.test_set == test_set]))
