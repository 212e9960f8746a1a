"""Sentences in plain words, against numbers counted by hand."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.verdict import verdict

Make = Callable[..., Evidence]


def faces_of(ages: list[float], predicted: list[float], like: pd.DataFrame) -> pd.DataFrame:
    some = like.head(len(ages)).copy()
    some["age_low"] = some["age_high"] = np.array(ages, float)
    some["age_pred"] = np.array(predicted, float)
    return some


def test_minors_who_pass_are_counted(faces: pd.DataFrame, make_evidence: Make) -> None:
    predicted = [18.0] * 34 + [17.9] * 66
    said = verdict(make_evidence(faces_of([15.0] * 100, predicted, faces)))
    assert "Of 100 faces of 15-year-olds, 34 would pass as 18 (100 faces were tested)." in said


def test_few_faces_of_an_age_are_pooled_with_their_neighbours(faces: pd.DataFrame, make_evidence: Make) -> None:
    ages = [15.0] * 10 + [14.0] * 5 + [17.0] * 5 + [18.0] * 20
    said = verdict(make_evidence(faces_of(ages, [20.0] * 5 + [16.0] * 15 + [30.0] * 20, faces)))
    assert "Of 100 faces of people aged 14 to 17, 25 would pass as 18 (20 faces were tested)." in said


def test_errors_and_bias(faces: pd.DataFrame, make_evidence: Make) -> None:
    ages, predicted = [5.0] * 40 + [70.0] * 40, [7.0] * 40 + [66.0] * 40
    said = verdict(make_evidence(faces_of(ages, predicted, faces)))
    assert said[0].startswith("For half of the faces the estimated age is at most 3.0 years off")
    assert "On average, children under 10 are estimated 2.0 years too old." in said
    assert "On average, people of 60 and more are estimated 4.0 years too young." in said


def test_no_sentence_about_what_was_not_tested(faces: pd.DataFrame, make_evidence: Make) -> None:
    said = verdict(make_evidence(faces.drop(columns=["age_pred", "probability_female"])))
    assert said == []
