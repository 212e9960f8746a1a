"""Metrics over faces with and without labels."""

import json
import math

import numpy as np
import pytest

from agegender.metrics.measure import counts, measure, per_face
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import BY_KEY, METRICS

NAN = math.nan
# Exact ages, a range in one of the nine, a range over several, no label.
MIXED = Predictions(
    np.array([22.0, 30.0, 3.0, 40.0, NAN]), np.array([22.0, 30.0, 9.0, 60.0, NAN]), np.array([0, 1, 1, -1, -1]),
    np.array([20.0, 36.0, 12.0, 50.0, NAN]), np.array([0.2, 0.4, 0.9, 0.5, NAN]),
)  # fmt: skip


def test_each_metric_counts_the_faces_that_have_its_labels() -> None:
    assert counts(MIXED) == {
        "n": 5,
        "n_age": 4,
        "n_exact_age": 2,
        "n_age_range": 3,
        "n_under_18": 1,
        "n_14_to_17": 0,
        "n_gender": 3,
    }
    values = measure(MIXED)
    assert (values["age_mae"], values["age_bias"], values["age_cs5"]) == (4, 2, 0.5)
    assert values["age_rmse"] == pytest.approx(20**0.5)
    assert values["age_distance"] == pytest.approx((2 + 6 + 3 + 0) / 4)
    assert values["age_range_accuracy"] == pytest.approx(2 / 3) and values["gender_accuracy"] == pytest.approx(2 / 3)


def test_a_metric_that_the_model_cannot_have_is_left_out() -> None:
    assert not [key for key in measure(MIXED) if key.startswith("age_class")]
    only_age = Predictions(MIXED.age_low, MIXED.age_high, MIXED.gender, MIXED.age)
    assert {key.partition("_")[0] for key in measure(only_age)} == {"age"} and "n_gender" not in counts(only_age)


def test_without_labels_a_metric_is_none() -> None:
    nobody = MIXED[np.array([4])]
    values = measure(nobody)
    assert values and set(values.values()) == {None}
    assert per_face(BY_KEY["age_mae"], nobody) is None
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_numbers_of_single_faces_have_the_metric_as_their_mean() -> None:
    values = measure(MIXED)
    for metric in METRICS:
        numbers = per_face(metric, MIXED)
        if metric.per_face and values.get(metric.key) is not None:
            assert numbers is not None and np.nanmean(numbers) == pytest.approx(values[metric.key]), metric.key
        else:
            assert numbers is None
    mae = per_face(BY_KEY["age_mae"], MIXED)
    assert mae is not None and mae[:2].tolist() == [2, 6] and np.isnan(mae[2:]).all()
