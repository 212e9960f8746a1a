"""Metrics of the predicted gender: 0 = male, 1 = female, as labelled by appearance."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

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


def confusion(faces: Predictions) -> NDArray[np.int64]:
    """Numbers of faces, [2, 2]: rows are the labels male and female, columns the predictions male and female."""
    pairs = 2 * faces.gender + (faces.female > 0.5)
    return np.bincount(pairs, minlength=4).reshape(2, 2)


def _precision(faces: Predictions, gender: int) -> float | None:
    """Share of the faces predicted as this gender that are labelled so; None if no face is."""
    counts = confusion(faces)
    return _share(counts[gender, gender], counts[:, gender].sum())


def _recall(faces: Predictions, gender: int) -> float | None:
    """Share of the faces labelled as this gender that are predicted so; None if no face is."""
    counts = confusion(faces)
    return _share(counts[gender, gender], counts[gender].sum())


def _f1(faces: Predictions, gender: int) -> float | None:
    """Harmonic mean of precision and recall; None if no face is labelled or predicted as this gender."""
    counts = confusion(faces)
    return _share(2 * counts[gender, gender], counts[gender].sum() + counts[:, gender].sum())


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
