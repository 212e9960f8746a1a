"""Statistics and their resamples against NumPy and scikit-learn on the resampled faces themselves."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score, root_mean_squared_error

from agegender.metrics import age, gender
from agegender.metrics.predictions import Predictions
from agegender.metrics.statistic import MeanOf, Statistic, mean_of_defined, ratio


def faces(n: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 90, n).astype(float)
    female = np.round(rng.random(n), 1)  # with equal scores
    return Predictions(low, low, rng.integers(0, 2, n), low + rng.normal(0, 8, n).round(), female)


CASES: list[tuple[Statistic, Callable[[Predictions], float]]] = [
    (MeanOf(age.absolute_error), lambda f: np.abs(f.age - f.age_low).mean()),
    (age.median_error, lambda f: np.median(np.abs(f.age - f.age_low))),
    (age.rmse, lambda f: root_mean_squared_error(f.age_low, f.age)),
    (gender.f1, lambda f: f1_score(f.gender, f.female > 0.5, average="macro")),
    (gender.roc_auc, lambda f: roc_auc_score(f.gender, f.female)),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_resample_has_the_statistic_of_its_faces(number: int) -> None:
    statistic, expected = CASES[number]
    for n in (40, 41):
        some, rng = faces(n), np.random.default_rng(1)
        assert statistic(some) == pytest.approx(expected(some))
        drawn = rng.integers(n, size=(20, n))
        times = np.stack([np.bincount(one, minlength=n) for one in drawn], axis=1)
        found = statistic.resampled(some, times)
        assert found.tolist() == pytest.approx([expected(some[one]) for one in drawn])


def test_what_is_undefined_is_none_and_nan_in_a_resample() -> None:
    men = faces(3)[np.array([0, 1, 2])]
    men = Predictions(men.age_low, men.age_high, np.zeros(3, dtype=int), men.age, men.female)
    assert gender.roc_auc(men) is None and gender.recall(men) is None
    assert np.isnan(gender.roc_auc.resampled(men, np.ones((3, 2), dtype=int))).all()
    assert np.isnan(age.median_error.resampled(men, np.array([[1, 0], [1, 0], [0, 0]])))[1]


def test_ratios_and_means_leave_out_what_is_undefined() -> None:
    assert ratio(np.array([1.0, 2.0]), np.array([2.0, 0.0]))[0] == 0.5
    assert math.isnan(ratio(np.array([1.0, 2.0]), np.array([2.0, 0.0]))[1])
    assert mean_of_defined(np.array([[1.0, np.nan, 3.0], [np.nan] * 3]))[0] == 2
    assert math.isnan(mean_of_defined(np.array([[1.0, np.nan, 3.0], [np.nan] * 3]))[1])
