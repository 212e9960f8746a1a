"""Tables of predictions as arrays, and faces that are tied together."""

import math

import numpy as np
import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.evaluation.measured_faces import MeasuredFaces, groups_of, predictions_of


def faces(n: int) -> pd.DataFrame:
    gender = pd.array(np.where(np.arange(n) % 10 == 9, None, np.arange(n) % 2), dtype="Int8")
    low = np.arange(n) * 2.0
    columns = {
        "dataset": "a",
        "age_low": low,
        "age_high": low,
        "gender": gender,
        "age_pred": low + 1,
        "probability_female": 0.3,
    }
    return pd.DataFrame(columns)


def test_faces_of_one_group_share_a_number() -> None:
    test = faces(4).assign(group=pd.array(["x", None, "", "x"], dtype="string"))
    numbers = groups_of(test)
    assert numbers[0] == numbers[3] and len(set(numbers)) == 3
    assert len(set(groups_of(faces(4)))) == 4


def test_a_table_becomes_arrays() -> None:
    predictions = predictions_of(faces(10), [0, 26])
    assert predictions.gender.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, -1] and predictions.classes == (0, 26)
    assert predictions_of(faces(10).drop(columns=["age_pred"])).tasks == ("gender",)


def test_the_same_seed_draws_the_same_faces_and_tied_faces_are_drawn_together() -> None:
    table = faces(6).assign(group=["x", "x", "y", "y", "z", "z"])
    one, other = (MeasuredFaces.of(table, seed=3, resamples=50) for _ in range(2))
    every, all_draws = np.arange(6), slice(0, 50)
    times = one.draws.times(every, all_draws)
    assert np.array_equal(times, other.draws.times(every, all_draws))
    assert np.array_equal(times[::2], times[1::2]) and (times.sum(axis=0) == 6).all()


def test_a_prediction_that_is_not_a_number_is_an_error() -> None:
    with pytest.raises(AgeGenderError, match="1 of 20 predicted ages are not finite"):
        MeasuredFaces.of(faces(20).assign(age_pred=[math.nan, *range(19)]))
    unlabelled = faces(20).assign(age_pred=[math.nan, *range(19)])
    unlabelled.loc[0, ["age_low", "age_high"]] = math.nan
    MeasuredFaces.of(unlabelled)
