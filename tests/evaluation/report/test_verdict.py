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


def test_minors_who_pass_are_counted(estimated: pd.DataFrame, make_evidence: Make) -> None:
    predicted = [30.0] * 10 + [18.0] * 24 + [17.9] * 66
    said = " ".join(verdict(make_evidence(faces_of([15.0] * 100, predicted, estimated))))
    assert "Of 100 faces of 15-year-olds, 34 would pass as 18 (95% interval 2" in said
    assert (
        "100 faces were tested). If everybody who seems younger than 25 must show proof of age, 10 of 100 would still" in said
    )


def test_few_faces_of_an_age_are_pooled_with_their_neighbours(estimated: pd.DataFrame, make_evidence: Make) -> None:
    ages = [15.0] * 10 + [14.0] * 5 + [17.0] * 5 + [18.0] * 20
    said = " ".join(verdict(make_evidence(faces_of(ages, [20.0] * 5 + [16.0] * 15 + [30.0] * 20, estimated))))
    assert "Of 100 faces of people aged 14 to 17, 25 would pass as 18" in said and "20 faces were tested" in said


def test_the_threshold_that_keeps_minors_out_and_whom_it_refuses(estimated: pd.DataFrame, make_evidence: Make) -> None:
    ages, predicted = [16.0] * 50 + [30.0] * 50, [22.5] * 50 + [22.5] * 5 + [35.0] * 45
    said = verdict(make_evidence(faces_of(ages, predicted, estimated)))
    expected = "the estimated age must be 23 or more; then 10 of 100 people who are 18 or older are refused."
    assert any(one.endswith(expected) for one in said), said


def test_errors_and_bias(estimated: pd.DataFrame, make_evidence: Make) -> None:
    ages, predicted = [5.0] * 40 + [70.0] * 40, [7.0] * 40 + [66.0] * 40
    said = verdict(make_evidence(faces_of(ages, predicted, estimated)))
    assert said[0].startswith("For half of the faces the estimated age is at most 3.0 years off")
    assert "On average, children under 10 are estimated 2.0 years too old." in said
    assert "On average, people of 60 and more are estimated 4.0 years too young." in said


def test_a_gap_between_groups_is_named_with_whether_it_may_be_chance(estimated: pd.DataFrame, make_evidence: Make) -> None:
    clear = estimated.copy()
    clear["age_pred"] = clear["age_low"] + clear["race"].map({"Black": 9.0}).fillna(2.0) + np.arange(len(clear)) % 2
    clear["gender"], clear["race"] = clear["gender"].where(clear["gender"] == 0), clear["race"].astype("string")
    [sentence] = [
        one for one in verdict(make_evidence(clear)) if one.startswith("The error of age is largest for faces labelled Black")
    ]
    assert sentence.endswith("; more than chance explains.")
    equal = [one for one in verdict(make_evidence(estimated)) if one.startswith("The error of age is largest")]
    assert equal and equal[0].endswith("; the tests do not exclude chance.")


def test_faces_that_the_model_was_selected_on_are_named_first(estimated: pd.DataFrame, make_evidence: Make) -> None:
    evidence = make_evidence(estimated, trained_on={"faces": "free"})
    evidence.metrics.update({"tested": "val", "val": evidence.metrics["test"]})
    assert verdict(evidence)[0].startswith("The model was trained or selected on these faces (val split)")


def test_no_sentence_about_labels_that_the_faces_do_not_have(estimated: pd.DataFrame, make_evidence: Make) -> None:
    assert verdict(make_evidence(estimated.assign(age_low=np.nan, age_high=np.nan, gender=pd.NA))) == []
