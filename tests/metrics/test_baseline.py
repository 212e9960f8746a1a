"""Constant predictions against scikit-learn's dummy models."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import mean_absolute_error

from agegender.metrics.baseline import constant, majority_gender, median_age
from agegender.metrics.measure import measure
from agegender.metrics.predictions import Predictions

NAN = np.nan


def labels(low=(), high=(), gender=()):
    count = max(len(low), len(gender))
    return Predictions(
        np.array(low if len(low) else [NAN] * count, dtype=float),
        np.array(high if len(high) else [NAN] * count, dtype=float),
        np.array(gender if len(gender) else [-1] * count, dtype=np.int64),
    )


def test_age_equals_scikit_learns_dummy():
    random = np.random.default_rng(0)
    train, test = random.exponential(30, 101), random.exponential(30, 57)
    dummy = DummyRegressor(strategy="median").fit(np.zeros((101, 1)), train)
    guess = median_age(labels(train, train))
    assert guess == np.median(train)
    values = measure(constant(guess, None, labels(test, test)))
    assert values["age_mae"] == pytest.approx(mean_absolute_error(test, dummy.predict(np.zeros((57, 1)))))


def test_a_range_counts_as_its_middle():
    assert median_age(labels([20, 10, NAN, 50], [20, 19, NAN, 59])) == 20
    values = measure(constant(20.0, None, labels([30, 3, 0, NAN], [30, 9, 116, NAN])))
    assert (values["age_mae"], values["age_distance"]) == (10, pytest.approx((10 + 11 + 0) / 3))


def test_gender_equals_scikit_learns_dummy():
    train, test = np.array([0, 1, 1, 1, -1, -1, 0]), np.array([1, 0, 1, 1, -1])
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((5, 1)), train[train >= 0])
    assert majority_gender(labels(gender=train)) == 1
    values = measure(constant(None, 1, labels(gender=test)))
    assert values["gender_accuracy"] == dummy.score(np.zeros((4, 1)), test[:4])
    assert not [key for key in values if key.startswith("age")]


def test_a_tie_is_male():
    assert majority_gender(labels(gender=[0, 1])) == 0


def test_without_training_labels_there_is_no_guess():
    assert median_age(labels([NAN], [NAN])) is None and median_age(labels()) is None
    assert majority_gender(labels(gender=[-1])) is None and majority_gender(labels()) is None
