"""Faces are chosen with all their labels and predictions, and broken predictions are refused."""

import math

import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.metrics.predictions import Predictions

LOW, HIGH, GENDER = np.array([31.0, 40.0, math.nan]), np.array([31.0, 49.0, math.nan]), np.array([0, 1, -1])


def test_some_of_the_faces() -> None:
    faces = Predictions(LOW, HIGH, GENDER, np.array([30.0, 50.0, 60.0]), None, (0, 26))
    some = faces[faces.gender == 1]
    assert (len(faces), len(some), some.age_high.tolist(), some.age.tolist(), some.classes) == (3, 1, [49], [50], (0, 26))
    assert faces.tasks == ("age",) and some.female is None


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_an_age_that_is_not_finite_is_an_error_if_the_face_has_a_label(broken: float) -> None:
    Predictions(LOW, HIGH, GENDER, np.array([30.0, 40.0, broken])).require_valid()
    with pytest.raises(AgeGenderError, match="1 of 2 predicted ages are not finite"):
        Predictions(LOW, HIGH, GENDER, np.array([30.0, broken, 40.0])).require_valid()


@pytest.mark.parametrize("broken", [np.nan, 1.5, -0.1])
def test_a_probability_outside_0_to_1_is_an_error_if_the_face_has_a_label(broken: float) -> None:
    Predictions(LOW, HIGH, GENDER, None, np.array([0.0, 1.0, broken])).require_valid()
    with pytest.raises(AgeGenderError, match=r"1 of 2 gender probabilities are not in 0\.\.1"):
        Predictions(LOW, HIGH, GENDER, None, np.array([0.3, broken, 0.5])).require_valid()
