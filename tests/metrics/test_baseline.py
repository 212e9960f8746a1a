import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import mean_absolute_error

from agegender.metrics.baseline import age_baseline, gender_baseline

NAN = np.nan


def test_age_equals_scikit_learns_dummy():
    random = np.random.default_rng(0)
    train, test = random.exponential(30, 101), random.exponential(30, 57)
    dummy = DummyRegressor(strategy="median").fit(np.zeros((101, 1)), train)
    figures = age_baseline(train, train, test, test)
    assert figures["guess"] == np.median(train)
    assert figures["mae"] == pytest.approx(mean_absolute_error(test, dummy.predict(np.zeros((57, 1)))))
    assert figures["distance"] == pytest.approx(figures["mae"])


def test_intervals_count_by_their_middle_and_are_measured_by_distance():
    figures = age_baseline([20, 10, NAN, 50], [20, 19, NAN, 59], [30, 3, 0, NAN], [30, 9, 116, NAN])
    assert figures == {"guess": 20, "mae": 10, "distance": pytest.approx((10 + 11 + 0) / 3)}


def test_gender_equals_scikit_learns_dummy():
    train, test = np.array([0, 1, 1, 1, -1, -1, 0]), np.array([1, 0, 1, 1, -1])
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((5, 1)), train[train >= 0])
    assert gender_baseline(train, test) == {"guess": 1, "accuracy": dummy.score(np.zeros((4, 1)), test[:4])}


def test_a_tie_is_male():
    assert gender_baseline([0, 1], [0, 0, 1]) == {"guess": 0, "accuracy": pytest.approx(2 / 3)}


def test_nothing_known_gives_none():
    nothing = {"guess": None, "mae": None, "distance": None}
    assert age_baseline([NAN], [NAN], [3.0], [3.0]) == age_baseline([], [], [], []) == nothing
    assert age_baseline([3.0], [3.0], [NAN], [NAN]) == {"guess": 3.0, "mae": None, "distance": None}
    assert age_baseline([3.0], [3.0], [2.0], [9.0]) == {"guess": 3.0, "mae": None, "distance": 0.0}
    assert gender_baseline([-1], [0]) == {"guess": None, "accuracy": None}
    assert gender_baseline([1], [-1]) == {"guess": 1, "accuracy": None}
