"""Metrics of the predicted gender: 0 = male, 1 = female, as labelled by appearance."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.errors import AgeGenderError
from agegender.metrics.bootstrap import mean_ci95
from agegender.metrics.predictions import Predictions

CLASSES = ("male", "female")


def labelled(faces: Predictions) -> NDArray[np.bool_]:
    """Faces with a gender label, [N]."""
    return faces.gender >= 0


def right(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted gender is the labelled one, [N]; a probability above 0.5 is read as female."""
    return (faces.female > 0.5) == (faces.gender == 1)


def wrong(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted gender is not the labelled one, [N]."""
    return ~right(faces)


def counts(faces: Predictions) -> NDArray[np.int64]:
    """Confusion matrix of the faces, [2, 2]; see `confusion`."""
    return confusion(faces.female > 0.5, faces.gender)


def _precision(faces: Predictions, gender: int) -> float | None:
    """Share of the faces predicted as this gender that are labelled so; None if no face is."""
    found = counts(faces)
    return _share(found[gender, gender], found[:, gender].sum())


def _recall(faces: Predictions, gender: int) -> float | None:
    """Share of the faces labelled as this gender that are predicted so; None if no face is."""
    found = counts(faces)
    return _share(found[gender, gender], found[gender].sum())


def _f1(faces: Predictions, gender: int) -> float | None:
    """Harmonic mean of precision and recall; None if no face is labelled or predicted as this gender."""
    found = counts(faces)
    return _share(2 * found[gender, gender], found[gender].sum() + found[:, gender].sum())


def _share(some: int, of: int) -> float | None:
    return int(some) / int(of) if of else None


def _mean(measure: Callable[[Predictions, int], float | None], faces: Predictions) -> float | None:
    """Mean over both genders (macro average); None if it is undefined for one of them."""
    values = [measure(faces, gender) for gender in range(len(CLASSES))]
    defined = [value for value in values if value is not None]
    return sum(defined) / len(values) if len(defined) == len(values) else None


precision, recall, f1 = (partial(_mean, measure) for measure in (_precision, _recall, _f1))
precision_male, precision_female = (partial(_precision, gender=gender) for gender in range(2))
recall_male, recall_female = (partial(_recall, gender=gender) for gender in range(2))
f1_male, f1_female = (partial(_f1, gender=gender) for gender in range(2))


def confusion(pred: ArrayLike, gender: ArrayLike) -> NDArray[np.int64]:
    """Counts [2, 2]: rows are the labels male, female; columns the predictions male, female."""
    pairs = 2 * np.asarray(gender, dtype=np.int64) + np.asarray(pred, dtype=np.int64)
    return np.bincount(pairs, minlength=4).reshape(2, 2)


def gender_metrics(
    probability_female: ArrayLike, gender: ArrayLike, seed: int, groups: ArrayLike | None = None
) -> dict[str, Any]:
    """All measures of gender that a report holds.

    Args:
        probability_female: [N], 0..1; above 0.5 is read as female.
        gender: labels, [N], 0 = male, 1 = female; -1 where unknown, and these faces are left out.
        seed: of the bootstrap.
        groups: what ties faces together, [N]; see `mean_ci95`.

    Returns:
        `n` faces with a label; `accuracy` and `accuracy_ci95` [low, high]; `precision`, `recall` and `f1`, means of both
        classes (macro); `sensitivity` and `specificity` with female as the positive class, so the recall of female and that
        of male; `by_class` {`male`, `female`}, each `{"n", "precision", "recall", "f1"}`; `confusion` [[male as male, male
        as female], [female as male, female as female]].
        None where nothing is there to divide by: the precision of a class never predicted, the recall of a class never
        labelled, the F1 of a class that is neither, the macro mean if a class has none, the accuracy of no faces.

    Raises:
        AgeGenderError: if a probability of a labelled face is not in 0..1.
    """
    gender = np.asarray(gender, dtype=np.int64)
    known = gender >= 0
    probability, gender = np.asarray(probability_female, dtype=np.float64)[known], gender[known]
    broken = np.count_nonzero(~((probability >= 0) & (probability <= 1)))
    if broken:
        raise AgeGenderError(f"{broken} of {len(gender)} gender probabilities are not in 0..1: the training diverged")
    pred = (probability > 0.5).astype(np.int64)
    tied = None if groups is None else np.asarray(groups)[known]
    counts = confusion(pred, gender)
    right = np.diagonal(counts)
    labelled, predicted = counts.sum(axis=1), counts.sum(axis=0)
    measures = {
        "precision": _shares(right, predicted),
        "recall": _shares(right, labelled),
        "f1": _shares(2 * right, labelled + predicted),
    }
    return {
        "n": len(gender),
        "accuracy": float((pred == gender).mean()) if len(gender) else None,
        "accuracy_ci95": mean_ci95(pred == gender, seed, groups=tied) if len(gender) else None,
        **{name: _macro(values) for name, values in measures.items()},
        "sensitivity": measures["recall"][CLASSES.index("female")],
        "specificity": measures["recall"][CLASSES.index("male")],
        "by_class": {
            label: {"n": int(labelled[row]), **{name: values[row] for name, values in measures.items()}}
            for row, label in enumerate(CLASSES)
        },
        "confusion": counts.tolist(),
    }


def _shares(numerators: NDArray[np.int64], denominators: NDArray[np.int64]) -> list[float | None]:
    return [int(top) / int(bottom) if bottom else None for top, bottom in zip(numerators, denominators, strict=True)]


def _macro(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(values) if len(defined) == len(values) else None
