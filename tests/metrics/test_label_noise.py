"""Suspicious labels: planted mistakes are found, and cleanlab agrees."""

import numpy as np
import pytest
from scipy.stats import norm

from agegender.metrics.label_noise import (
    age_errors_in_deviations,
    age_quality,
    age_suspicious,
    gender_quality,
    gender_suspicious,
)
from agegender.metrics.predictions import Predictions


def faces(count: int = 2000, seed: int = 0) -> Predictions:
    """Errors grow with age; the probability of the right gender is mostly high."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(1, 90, count).round()
    gender = rng.integers(0, 2, count)
    right = rng.beta(8, 1.5, count)
    return Predictions(true, true.copy(), gender, true + rng.normal(0, 1 + true / 12), np.where(gender == 1, right, 1 - right))


def with_mistakes(clean: Predictions, count: int = 20) -> Predictions:
    """The labels of the first faces are those of somebody else."""
    low, gender = clean.age_low.copy(), clean.gender.copy()
    low[:count] = np.where(low[:count] < 45, low[:count] + 40, low[:count] - 40)
    gender[:count] = 1 - gender[:count]
    return Predictions(low, low.copy(), gender, clean.age, clean.female)


def test_planted_mistakes_of_age_are_found_and_few_others() -> None:
    found = np.flatnonzero(age_suspicious(with_mistakes(faces())))
    assert set(range(20)) <= set(found) and len(found) <= 20 + 20  # 1% of the right labels


def test_the_deviation_is_that_of_similar_predicted_ages() -> None:
    some = faces(4000)
    deviations = age_errors_in_deviations(some)
    for low, high in ((5, 25), (65, 85)):
        inside = (some.age > low) & (some.age < high)
        assert np.median(deviations[inside]) == pytest.approx(norm.ppf(0.75), rel=0.1)
    np.testing.assert_allclose(age_quality(some), 2 * norm.sf(deviations), rtol=1e-9)


def test_a_range_is_contradicted_from_its_ends_only_and_an_unknown_label_never() -> None:
    low, high = np.array([20.0, 20.0, np.nan, *[30.0] * 50]), np.array([29.0, 29.0, np.nan, *[39.0] * 50])
    some = Predictions(low, high, np.full(53, -1), np.array([25.0, 60.0, 99.0, *np.linspace(29, 41, 50)]))
    assert np.flatnonzero(age_suspicious(some)).tolist() == [1]
    assert np.isnan(age_quality(some)[2])


def test_gender_follows_confident_learning_as_cleanlab_does() -> None:
    pytest.importorskip("cleanlab", reason="cleanlab is not installed")
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    for seed in range(5):
        some = with_mistakes(faces(seed=seed))
        female = np.asarray(some.female)
        probabilities = np.stack([1 - female, female], axis=1)
        expected = find_label_issues(some.gender, probabilities, filter_by="confident_learning")
        assert np.array_equal(gender_suspicious(some), expected) and expected[:20].mean() > 0.3
        np.testing.assert_allclose(gender_quality(some), get_label_quality_scores(some.gender, probabilities))


def test_the_order_by_age_error_is_that_of_cleanlab() -> None:
    pytest.importorskip("cleanlab", reason="cleanlab is not installed")
    from cleanlab.regression.rank import get_label_quality_scores

    some = with_mistakes(faces(150))  # fewer faces than neighbours: one deviation for nearly all
    scores = get_label_quality_scores(some.age_low, np.asarray(some.age), method="residual")
    assert set(np.argsort(scores)[:15]) <= set(np.argsort(age_quality(some))[:25])


@pytest.mark.parametrize("gender", [np.zeros(30, dtype=np.int64), np.full(30, -1)])
def test_one_gender_or_none_is_never_suspicious(gender: np.ndarray) -> None:
    some = Predictions(np.full(30, np.nan), np.full(30, np.nan), gender, None, np.linspace(0, 1, 30))
    assert not gender_suspicious(some).any()


def test_genders_without_probabilities_are_never_suspicious() -> None:
    gender = np.arange(30) % 2
    some = Predictions(np.full(30, np.nan), np.full(30, np.nan), gender, None, np.array([1.0, *gender[1:]]))
    assert not gender_suspicious(some).any()
