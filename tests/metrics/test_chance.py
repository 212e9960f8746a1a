"""Statistics against slow reference implementations and against published tables."""

import math

import numpy as np
import pytest

from agegender.metrics import chance
from agegender.metrics.chance import bootstrap_means, difference, holm, seed_variance, t_noise, t_tails, two_proportions


def test_resampled_means_equal_a_slow_reference_for_any_chunk_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(13, 3))
    random, slow = np.random.default_rng(5), []
    for rows in (3, 3, 1):  # 40 numbers at once are three rows of 13 faces
        slow += [values[faces].mean(axis=0) for faces in random.integers(13, size=(rows, 13))]
    monkeypatch.setattr(chance, "_AT_ONCE", 40)
    np.testing.assert_allclose(bootstrap_means(values, 5, 7), slow)


def test_all_models_get_the_same_resampled_faces() -> None:
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


def test_the_false_positive_rate_is_the_nominal_one() -> None:
    random, alarms = np.random.default_rng(1), 0
    for trial in range(300):
        draws = bootstrap_means(random.exponential(5, size=(60, 2)), seed=trial, draws=400)
        alarms += difference(0.0, draws[:, 0] - draws[:, 1]).p < 0.05
    assert 3 <= alarms <= 33  # 15 expected


def test_tied_faces_are_drawn_together() -> None:
    values, groups = np.random.default_rng(0).normal(size=(7, 2)), [4, 1, 4, 9, 1, 4, 2]
    of = [np.flatnonzero(np.array(groups) == group) for group in (1, 2, 4, 9)]
    random, slow = np.random.default_rng(5), []
    for drawn in random.integers(4, size=(6, 4)):
        faces = np.concatenate([of[group] for group in drawn])
        slow.append(values[faces].mean(axis=0))
    np.testing.assert_allclose(bootstrap_means(values, 5, 6, groups), slow)


def test_copies_do_not_narrow_a_difference() -> None:
    values = np.random.default_rng(0).normal(size=(100, 1))
    alone, copied = bootstrap_means(values, 0), bootstrap_means(np.repeat(values, 4, axis=0), 0, groups=np.arange(400) // 4)
    np.testing.assert_allclose(copied, alone)
    assert bootstrap_means(np.repeat(values, 4, axis=0), 0).std() == pytest.approx(alone.std() / 2, rel=0.05)


def test_the_pooled_variance_over_seeds_by_hand() -> None:
    recipes = [np.array([[1.0, 3.0], [3.0, 5.0]]), np.array([[2.0, 2.0]]), np.array([[0.0, 4.0], [1.0, 3.0], [2.0, 2.0]])]
    found = seed_variance(recipes)
    assert found.freedom == 3
    assert found.variance == pytest.approx(((2 - 3) ** 2 + (4 - 3) ** 2 + 0) / 3)  # means 2 and 4, then thrice 2
    # the first recipe's faces move together; the third's -1, 0, 1 and 1, 0, -1 about their means
    assert found.of_faces == pytest.approx((1 + 1 + 0 + 0 + 1 + 1) / 2**2 / 3)
    assert seed_variance(recipes, groups=[7, 7]).of_faces == pytest.approx(0)  # as one face, they cancel
    assert seed_variance(recipes[1:2]) == (0.0, 0.0, 0)


def test_quantiles_with_few_seeds_are_those_of_the_t_table() -> None:
    noise = t_noise([0.3, 0.4], freedom=4, seed=0, draws=200_000)
    apart = noise[:, 0] - noise[:, 1]
    assert np.percentile(apart, 97.5) == pytest.approx(2.776 * 0.5, rel=0.03)  # t with 4 degrees of freedom
    assert not t_noise([0.3, 0.4], 0, seed=0).any()


@pytest.mark.parametrize(
    ("t", "freedom", "p"),  # tables of Student's t, both tails
    [(2.776, 4, 0.05), (8.610, 4, 0.001), (2.228, 10, 0.05), (4.587, 10, 0.001), (3.390, 100, 0.001), (3.291, math.inf, 0.001)],
)
def test_tails_of_student_s_t(t: float, freedom: float, p: float) -> None:
    assert t_tails(t, freedom) == pytest.approx(p, rel=0.16)
    assert t_tails(-t, freedom) == t_tails(t, freedom)


def test_a_p_value_too_small_for_the_draws_is_taken_from_the_tails() -> None:
    draws = np.random.default_rng(0).normal(6, 1, size=10_000)
    assert difference(6.0, draws).p == pytest.approx(2 / 10_001)
    assert difference(6.0, draws, error=1.0).p == pytest.approx(2 * normal_tail(6.0), rel=1e-3)
    near = np.random.default_rng(0).normal(2, 1, size=10_000)
    assert difference(2.0, near, error=0.1).p == difference(2.0, near).p > 0.03  # enough draws beyond zero: they are counted


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def normal_tail(z: float) -> float:
    x = np.linspace(z, z + 12, 200_001)
    y = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum())


def test_published_shares_of_one_paper_do_not_differ_significantly() -> None:
    """72.38% against 72.27%, and even against 70.58%, of about 3,556 faces each."""
    p = two_proportions(0.7238, 3556, 0.7227, 3556)
    pooled = (0.7238 + 0.7227) / 2
    z = 0.0011 / math.sqrt(pooled * (1 - pooled) * 2 / 3556)
    assert p == pytest.approx(2 * normal_tail(z), abs=1e-6)
    assert p > 0.9
    assert two_proportions(0.7238, 3556, 0.7058, 3556) > 0.05
    assert two_proportions(0.7238, 3556, 0.6938, 3556) < 0.01


def test_equal_shares_and_values_that_are_not_shares() -> None:
    assert two_proportions(1.0, 10, 1.0, 20) == 1.0
    for wrong in ((72.38, 10, 0.7, 10), (0.7, 0, 0.7, 10)):
        with pytest.raises(ValueError, match="expected shares"):
            two_proportions(*wrong)
