"""Labels that a model contradicts: mistakes of the labels, or faces that are hard for the model.

The predictions must come from a model that was not trained on these faces: of a test split, or out of fold.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.special import erfc

from agegender.metrics import age, gender
from agegender.metrics.predictions import Predictions

NORMAL = 1.4826  # standard deviation of a normal distribution divided by the median of its absolute values
NEIGHBOURS = 201  # faces of similar predicted age
FAR = 3.5  # standard deviations (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993)
LEAST = 1.0  # years; a label is a whole year, so no smaller error contradicts it


def age_errors_in_deviations(faces: Predictions) -> NDArray[np.float64]:
    """The distance of each predicted age from its label, in robust standard deviations, [N]; NaN without an age label.

    The deviation is that of faces of similar predicted age, because errors of old ages are larger than those of children.
    """
    found = np.full(len(faces), np.nan)
    known = np.flatnonzero(age.labelled(faces))
    if not len(known):
        return found
    distance = age.distance(faces[known])
    order = np.argsort(faces.age[known], kind="stable")
    scale = np.empty(len(known))
    scale[order] = NORMAL * median_filter(distance[order], size=min(NEIGHBOURS, len(known)), mode="reflect")
    found[known] = distance / np.maximum(scale, LEAST)
    return found


def age_quality(faces: Predictions) -> NDArray[np.float64]:
    """How plausible each age label is, in 0..1, [N]: the share of normal errors that are as large; NaN without a label."""
    return erfc(age_errors_in_deviations(faces) / np.sqrt(2))


def age_suspicious(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the predicted age is more than 3.5 robust standard deviations from the label, [N]."""
    return np.nan_to_num(age_errors_in_deviations(faces)) > FAR


def gender_quality(faces: Predictions) -> NDArray[np.float64]:
    """The predicted probability of the labelled gender, [N]; NaN without a label."""
    right = np.where(faces.gender == 1, faces.female, 1 - np.asarray(faces.female))
    return np.where(gender.labelled(faces), right, np.nan)


def gender_suspicious(faces: Predictions) -> NDArray[np.bool_]:
    """Whether the model is confident of the other gender than labelled, [N].

    Confident means: at least as sure as it is on average for faces with that label (confident learning, Northcutt, Jiang and
    Chuang, JAIR 2021). Nothing is suspicious if one gender has no label, or if the probabilities are all 0 or 1.
    """
    female = np.asarray(faces.female, dtype=np.float64)
    known = gender.labelled(faces)
    probabilities = np.stack([1 - female, female], axis=1)
    if len(np.unique(faces.gender[known])) < 2 or np.isin(female[known], (0, 1)).all():
        return np.zeros(len(faces), dtype=bool)
    threshold = [probabilities[faces.gender == one, one].mean() for one in (0, 1)]
    other = np.where(known, 1 - faces.gender, 0)
    rows = np.arange(len(faces))
    sure = probabilities[rows, other]
    return known & (sure >= np.take(threshold, other)) & (sure > 0.5)
