"""What is right or wrong of each face: the numbers whose mean is a figure of a table."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agegender.evaluation.results import gender_labels
from agegender.metrics.age import distance_to_interval
from agegender.metrics.ranges import range_of, ranges_of_labels

Faces = NDArray[np.float64]


def per_face(measure: str, faces: pd.DataFrame | None, classes: Sequence[float] = ()) -> Faces | None:
    """A measure of each face, NaN where it has no such label, [N]; its mean is the figure. None where it is not measured."""
    task = "probability_female" if measure == "gender_accuracy" else "age_pred"
    if faces is None or task not in faces or (measure == "class_accuracy" and not len(classes)):
        return None
    values = MEASURES[measure](faces, classes)
    return None if np.isnan(values).all() else values


def _errors(faces: pd.DataFrame, _: Sequence[float]) -> Faces:
    """In years, of exact ages."""
    error = (faces["age_pred"] - faces["age_low"]).abs()
    return error.where(faces["age_low"] == faces["age_high"]).to_numpy(dtype=np.float64)


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
    "mae": _errors,
    "distance": _distance,
    "gender_accuracy": _gender,
    "class_accuracy": _classes,
}
