"""Chance against slow references typed anew and against tables of statistics books."""

import math

import numpy as np
import pytest

from agegender.metrics import chance
from agegender.metrics.chance import bootstrap_means, difference, holm, seed_noise, two_proportions


def test_resampled_means_equal_a_slow_reference_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(13, 3))
    random, slow = np.random.default_rng(5), []
    for rows in (3, 3, 1):  # 40 numbers at once are three rows of 13 faces
        slow += [values[faces].mean(axis=0) for faces in random.integers(13, size=(rows, 13))]
    monkeypatch.setattr(chance, "_AT_ONCE", 40)
    np.testing.assert_allclose(bootstrap_means(values, 5, 7), slow)


def test_models_meet_the_same_faces() -> None:
    errors = np.random.default_rng(0).normal(5, 100, size=200)  # faces differ wildly, the models always by half a year
    draws = bootstrap_means(np.stack([errors, errors + 0.5], axis=1), seed=0)
    found = difference(-0.5, draws[:, 0] - draws[:, 1])
    assert found.high < -0.49 and found.p < 0.001


def test_equal_models_do_not_differ() -> None:
    draws = bootstrap_means(np.ones((50, 2)), seed=0, draws=100)
    assert difference(0.0, draws[:, 0] - draws[:, 1]) == (0.0, 0.0, 0.0, 1.0)


def test_p_value_and_interval_by_hand() -> None:
    draws = np.arange(-1, 19, dtype=float)  # 20 draws, of which two are at or below zero
    found = difference(8.5, draws)
    assert found.p == pytest.approx(2 * 3 / 21)
    assert (found.low, found.high) == pytest.approx((-1 + 19 * 0.025, -1 + 19 * 0.975))


def test_chance_alone_is_called_a_difference_about_as_often_as_promised() -> None:
    random, alarms = np.random.default_rng(1), 0
    for trial in range(300):
        draws = bootstrap_means(random.exponential(5, size=(60, 2)), seed=trial, draws=400)
        alarms += difference(0.0, draws[:, 0] - draws[:, 1]).p < 0.05
    assert 3 <= alarms <= 33  # 15 expected


def test_few_seeds_are_known_as_badly_as_the_t_table_says() -> None:
    means = [4.0, 4.3, 4.1]
    error = math.sqrt(sum((x - np.mean(means)) ** 2 for x in means) / 2 / 3)
    noise = seed_noise(means, seed=0, draws=200_000)
    assert np.percentile(noise, 97.5) == pytest.approx(4.303 * error, rel=0.05)  # t with 2 degrees of freedom
    wider = seed_noise(means, seed=0, share=1 / 3, draws=200_000)
    np.testing.assert_allclose(wider, noise * math.sqrt(2))  # 1/3 + 1/3 instead of 1/3
    assert not seed_noise([4.0], seed=0).any()


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def normal_tail(z: float) -> float:
    x = np.linspace(z, z + 12, 200_001)
    y = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum())


def test_published_shares_of_one_paper_are_no_further_apart_than_chance() -> None:
    """72.38% against 72.27%, and even against 70.58%, of about 3,556 faces each."""
    p = two_proportions(0.7238, 3556, 0.7227, 3556)
    pooled = (0.7238 + 0.7227) / 2
    z = 0.0011 / math.sqrt(pooled * (1 - pooled) * 2 / 3556)
    assert p == pytest.approx(2 * normal_tail(z), abs=1e-6)
    assert p > 0.9
    assert two_proportions(0.7238, 3556, 0.7058, 3556) > 0.05
    assert two_proportions(0.7238, 3556, 0.6938, 3556) < 0.01


def test_shares_that_cannot_differ_and_shares_that_are_none() -> None:
    assert two_proportions(1.0, 10, 1.0, 20) == 1.0
    for wrong in ((72.38, 10, 0.7, 10), (0.7, 0, 0.7, 10)):
        with pytest.raises(ValueError, match="two shares"):
            two_proportions(*wrong)
