"""Metrics of the predicted gender: 0 = male, 1 = female, as labelled by appearance."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agegender.metrics.predictions import Predictions
from agegender.metrics.statistic import AreaUnderROC, Floats, OfSums, one_hot, ratio

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


def confusion(faces: Predictions) -> NDArray[np.int64]:
    """Numbers of faces, [2, 2]: rows are the labels male and female, columns the predictions male and female."""
    return np.bincount(_pairs(faces), minlength=4).reshape(2, 2)


def _pairs(faces: Predictions) -> NDArray[np.int64]:
    return 2 * faces.gender + (faces.female > 0.5)


def _counts(faces: Predictions) -> Floats:
    """The place of each face in the confusion matrix, [N, 4], row by row."""
    return one_hot(_pairs(faces), 4)


def _precision(counts: Floats) -> Floats:
    """Share of the faces predicted as each gender that are labelled so, [..., 2]."""
    matrix = _matrix(counts)
    return ratio(_diagonal(matrix), matrix.sum(axis=-2))


def _recall(counts: Floats) -> Floats:
    """Share of the faces labelled as each gender that are predicted so, [..., 2]."""
    matrix = _matrix(counts)
    return ratio(_diagonal(matrix), matrix.sum(axis=-1))


def _f1(counts: Floats) -> Floats:
    """Harmonic mean of precision and recall of each gender, [..., 2]."""
    matrix = _matrix(counts)
    return ratio(2 * _diagonal(matrix), matrix.sum(axis=-1) + matrix.sum(axis=-2))


def _matrix(counts: Floats) -> Floats:
    return counts.reshape(*counts.shape[:-1], 2, 2)


def _diagonal(matrix: Floats) -> Floats:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _mean(measure: Callable[[Floats], Floats]) -> OfSums:
    """Mean over both genders (macro average); undefined if it is undefined for one of them."""
    return OfSums(_counts, lambda counts: measure(counts).mean(axis=-1))


def _of(measure: Callable[[Floats], Floats], gender: int) -> OfSums:
    return OfSums(_counts, lambda counts: measure(counts)[..., gender])


precision, recall, f1 = (_mean(measure) for measure in (_precision, _recall, _f1))
precision_male, precision_female = (_of(_precision, gender) for gender in range(2))
recall_male, recall_female = (_of(_recall, gender) for gender in range(2))
f1_male, f1_female = (_of(_f1, gender) for gender in range(2))
roc_auc = AreaUnderROC(lambda faces: faces.female, lambda faces: faces.gender == 1)
