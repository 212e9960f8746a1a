"""Metrics of age against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, median_absolute_error, root_mean_squared_error

from agegender.metrics.age import distance_to_interval, right_year, within_5
from agegender.metrics.measure import measure
from agegender.metrics.predictions import Predictions


def of_exact_ages(pred, age):
    age = np.asarray(age, dtype=float)
    return Predictions(age, age, np.full(len(age), -1), np.asarray(pred, dtype=float))


def test_errors_equal_scikit_learn():
    random = np.random.default_rng(0)
    age = random.integers(0, 117, 500).astype(float)
    pred = age + random.normal(0, 8, 500)
    values = measure(of_exact_ages(pred, age))
    assert values["age_mae"] == pytest.approx(mean_absolute_error(age, pred)) == pytest.approx(values["age_distance"])
    assert values["age_rmse"] == pytest.approx(root_mean_squared_error(age, pred))
    assert values["age_bias"] == pytest.approx(pred.mean() - age.mean())
    assert values["age_median_error"] == pytest.approx(median_absolute_error(age, pred))
    decades = [mean_absolute_error(age[own], pred[own]) for own in (age // 10 == decade for decade in range(12)) if own.any()]
    assert values["age_balanced_mae"] == pytest.approx(np.mean(decades))
    for years in range(1, 16):
        assert values[f"age_cs{years}"] == pytest.approx(np.mean(np.abs(pred - age) <= years))
    assert values["age_exact_accuracy"] == pytest.approx(np.mean(pred.round() == age))


def test_an_error_of_exactly_5_years_is_within_5_and_nothing_is_rounded():
    errors = np.array([0.0, -5.0, 5.0, 5.0001, -4.9, 5.4, 60.0])
    assert within_5(of_exact_ages(30 + errors, np.full(7, 30.0))).tolist() == [True, True, True, False, True, False, False]


def test_distance_to_interval():
    distances = distance_to_interval([1, 3, 9, 12.5, 40], [3, 3, 3, 3, 38], [9, 9, 9, 9, 38])
    assert distances.tolist() == [2, 0, 0, 3.5, 2]


def test_a_prediction_is_rounded_half_up_to_a_whole_year():
    ages = of_exact_ages([20.49, 20.5, 19.5, 19.49, 0.0], [20.0, 21.0, 20.0, 20.0, 0.0])
    assert right_year(ages).tolist() == [True, True, True, False, True]
