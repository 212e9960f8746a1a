"""Which differences between models are larger than chance, on the same test faces and over seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agegender.evaluation.results import gender_labels
from agegender.evaluation.rows import Row
from agegender.evaluation.runs import Run, age_errors
from agegender.metrics.age import distance_to_interval
from agegender.metrics.chance import Difference, bootstrap_means, difference, holm, seed_noise
from agegender.metrics.ranges import range_of, ranges_of_labels

LEVEL = 0.05
Faces = NDArray[np.float64]
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
        seeds: Of either row; where it is one, the chance of another seed is unknown and not counted.
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


def per_face(measure: str, faces: pd.DataFrame | None, classes: Sequence[float] = ()) -> Faces | None:
    """A measure of each face, NaN where it has no such label, [N]; its mean is the figure. None where it is not measured."""
    task = "probability_female" if measure == "gender_accuracy" else "age_pred"
    if faces is None or task not in faces or (measure == "class_accuracy" and not len(classes)):
        return None
    values = MEASURES[measure](faces, classes)
    return None if np.isnan(values).all() else values


def _gender(faces: pd.DataFrame, _: Sequence[float]) -> Faces:
    labels = gender_labels(faces)
    return np.where(labels < 0, np.nan, (faces["probability_female"].to_numpy() > 0.5) == (labels == 1))


def _classes(faces: pd.DataFrame, starts: Sequence[float]) -> Faces:
    label = ranges_of_labels(faces["age_low"], faces["age_high"], starts)
    return np.where(label < 0, np.nan, range_of(faces["age_pred"], starts) == label)


def _distance(faces: pd.DataFrame, _: Sequence[float]) -> Faces:
    """Only where there are ranges among the labels: it is the absolute error of exact ages."""
    if (faces["age_low"] == faces["age_high"])[faces["age_low"].notna()].all():
        return np.full(len(faces), np.nan)
    return distance_to_interval(faces["age_pred"], faces["age_low"], faces["age_high"])


MEASURES: dict[str, Callable[[pd.DataFrame, Sequence[float]], Faces]] = {
    "mae": lambda faces, _: age_errors(faces),
    "distance": _distance,
    "gender_accuracy": _gender,
    "class_accuracy": _classes,
}


def differences(rows: Sequence[Row], classes: Sequence[float] = (), seed: int = 0) -> list[Pair]:
    """Compares rows that were tested on the same faces, pair by pair.

    On one set of test faces the faces are resampled, the same for both models (paired bootstrap), and each row of
    several seeds adds the uncertainty of its mean over them. Where every seed has its own test faces, the differences
    within each seed are what is averaged, and their spread holds both kinds of chance.

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
            compare = _on_one_test_set if len(able[0].test_sets) == 1 else _on_several
            found += compare(measure, able, faces, seed)
    adjusted = holm([value.p for *_, value in found])
    return [
        Pair(measure, first.name, second.name, value, p, (len(first.runs), len(second.runs)))
        for (measure, first, second, value), p in zip(found, adjusted, strict=True)
    ]


def _on_one_test_set(measure: str, rows: list[Row], faces: dict[int, Faces], seed: int) -> list[Found]:
    table = np.stack([np.mean([faces[id(run)] for run in row.runs], axis=0) for row in rows], axis=1)
    table = table[~np.isnan(table).any(axis=1)]
    draws = bootstrap_means(table, seed)
    for column, row in enumerate(rows):
        draws[:, column] += seed_noise([float(np.nanmean(faces[id(run)])) for run in row.runs], seed + column)
    means = table.mean(axis=0)
    return [
        (measure, rows[i], rows[j], difference(float(means[i] - means[j]), draws[:, i] - draws[:, j]))
        for i, j in combinations(range(len(rows)), 2)
    ]


def _on_several(measure: str, rows: list[Row], faces: dict[int, Faces], seed: int) -> list[Found]:
    found: list[Found] = []
    for first, second in combinations(rows, 2):
        apart = [_mean_on(test_set, first, faces) - _mean_on(test_set, second, faces) for test_set in first.test_sets]
        run = first.runs[0]
        share = run.count(run.part) / max(run.count("train"), 1)
        mean = float(np.mean(apart))
        found.append((measure, first, second, difference(mean, mean + seed_noise(apart, seed, share))))
    return found


def _mean_on(test_set: str, row: Row, faces: dict[int, Faces]) -> float:
    runs: list[Run] = [run for run in row.runs if run.test_set == test_set]
    return float(np.mean([np.nanmean(faces[id(run)]) for run in runs]))
