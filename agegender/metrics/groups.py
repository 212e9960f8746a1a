"""The same few figures for each group of people, so that nobody must ask for whom a model is worse."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from agegender.metrics.age import distance_to_interval, mae
from agegender.metrics.ranges import range_of, ranges_of_labels

Row = dict[str, float | int | None]


def group_figures(
    group: Sequence[str | None],
    pred: ArrayLike | None,
    low: ArrayLike,
    high: ArrayLike,
    probability_female: ArrayLike | None,
    gender: ArrayLike,
) -> dict[str, Row]:
    """Figures of each group, in alphabetical order.

    Args:
        group: which group each face is in, [N]; None where unknown, and these faces are left out.
        pred: predicted ages in years, [N]; None when age is not a task.
        low: lower end of the labels in years, [N]; NaN where unknown.
        high: upper end, [N]; equal to `low` for an exact age.
        probability_female: [N], above 0.5 is read as female; None when gender is not a task.
        gender: labels, [N], 0 = male, 1 = female; -1 where unknown.

    Returns:
        For each group `n` faces; as far as age is a task `n_age` and `n_exact` of them with an age and with an exact one,
        `mae` over exact ages, `distance` to the label over all known ones and `range_accuracy` over those that lie in one
        of the nine ranges; as far as gender is one `gender_accuracy`.
        None where there is no face to measure.
    """
    faces = np.array(["" if name is None else name for name in group], dtype=object)
    low, high, gender = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64), np.asarray(gender)
    figures: dict[str, Row] = {}
    for name in sorted(set(faces) - {""}):
        mine = faces == name
        known = mine & ~np.isnan(low)
        row: Row = {"n": int(mine.sum())}
        if pred is not None:
            years, exact = np.asarray(pred, dtype=np.float64), mine & (low == high)
            label = ranges_of_labels(low, high)
            row |= {"n_age": int(known.sum()), "n_exact": int(exact.sum())}
            row["mae"] = mae((years - low)[exact])
            row["distance"] = mae(distance_to_interval(years, low, high)[known])
            row["range_accuracy"] = _share((range_of(years) == label)[mine & (label >= 0)])
        if probability_female is not None:
            female = np.asarray(probability_female, dtype=np.float64) > 0.5
            row["gender_accuracy"] = _share((female == (gender == 1))[mine & (gender >= 0)])
        figures[name] = row
    return figures


def _share(hits: np.ndarray) -> float | None:
    return float(hits.mean()) if len(hits) else None
