"""Age intervals against crepes, and their coverage on simulated data.

crepes truncates (1 - confidence) (n + 1) in floating point; the levels are a little lower so that it does not lose one face.
"""

import math

import numpy as np
import pytest
from crepes import ConformalRegressor
from scipy.stats import betabinom

from agegender.metrics.conformal import ALL, extended, halves, nonconformity, offset, offsets

RANGE = (-1e9, 1e9)


@pytest.mark.parametrize("n", [19, 57, 200, 999])
@pytest.mark.parametrize("level", [50, 80, 90, 95])
def test_offsets_equal_those_of_crepes(n: int, level: int) -> None:
    rng = np.random.default_rng(n)
    residuals, category = rng.normal(0, 5, n), rng.integers(0, 2, n)
    age = rng.uniform(20, 60, 30)
    scores = nonconformity(np.zeros(n), np.zeros(n), residuals, residuals)
    theirs = ConformalRegressor().fit(residuals).predict_int(age, confidence=level / 100 - 1e-9)
    mine = np.stack(extended(age, age, {ALL: offset(scores, level)}, np.full(30, ALL), RANGE), axis=1)
    assert np.abs(scores).tolist() == np.abs(residuals).tolist()
    assert mine == pytest.approx(theirs)
    own = rng.integers(0, 2, 30)
    theirs = ConformalRegressor().fit(residuals, bins=category).predict_int(age, bins=own, confidence=level / 100 - 1e-9)
    by_category = offsets(scores, category.astype(str), level)
    if any(math.isinf(value) for value in by_category.values()):
        return  # crepes then takes the largest residual, which has no guarantee
    assert np.stack(extended(age, age, by_category, own.astype(str), RANGE), axis=1) == pytest.approx(theirs)


@pytest.mark.parametrize("level", [50, 90])
def test_coverage_of_new_faces_lies_in_its_theoretical_band(level: int) -> None:
    """The number of covered new faces is beta-binomial (Vovk, 2012)."""
    rng, n, new = np.random.default_rng(0), 99, 2000
    k = math.ceil((n + 1) * level / 100)
    low, high = betabinom.interval(0.998, new, k, n + 1 - k)
    covered = []
    for _ in range(50):
        scores = np.abs(rng.standard_t(3, n + new))
        covered.append(int((scores[n:] <= offset(scores[:n], level)).sum()))
    assert sum(low <= one <= high for one in covered) >= 49
    assert np.mean(covered) / new == pytest.approx(level / 100, abs=0.015)


def test_quantile_intervals_cover_and_adapt_to_the_face() -> None:
    rng, n = np.random.default_rng(0), 4000
    spread = rng.choice([2.0, 10.0], n)
    age = rng.normal(0, spread) + 40
    lower, upper = 40 - spread, 40 + spread  # too narrow for 90%
    scores = nonconformity(lower, upper, age, age)
    fit, new = np.arange(n) < n // 2, np.arange(n) >= n // 2
    first, last = extended(lower[new], upper[new], {ALL: offset(scores[fit], 90)}, np.full(n // 2, ALL), RANGE)
    covered = (first <= age[new]) & (age[new] <= last)
    assert covered.mean() == pytest.approx(0.9, abs=0.02)
    width = last - first
    assert width[spread[new] == 10].min() - width[spread[new] == 2].max() == pytest.approx(16)


def test_a_range_must_be_inside_as_a_whole() -> None:
    assert nonconformity(np.array([40.0]), np.array([40.0]), np.array([38.0]), np.array([47.0])).tolist() == [7]
    assert nonconformity(np.array([30.0]), np.array([60.0]), np.array([38.0]), np.array([47.0])).tolist() == [-8]


def test_too_few_faces_and_unknown_categories_give_the_whole_age_range() -> None:
    assert offset(np.arange(9.0), 90) == 8 and math.isinf(offset(np.arange(8.0), 90)) and math.isinf(offset([], 50))
    ages = np.array([40.0, 40.0, 40.0])
    low, high = extended(ages, ages, {"a": 3.0, "b": math.inf}, np.array(["a", "b", "c"]), (0, 41))
    assert low.tolist() == [37, 0, 0] and high.tolist() == [41, 41, 41]


def test_halves_do_not_divide_a_group() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, 1000)
    first = halves(groups, 0)
    assert not set(groups[first]) & set(groups[~first])
    assert first.mean() == pytest.approx(0.5, abs=0.01)
    assert np.array_equal(first, halves(groups, 0)) and not np.array_equal(first, halves(groups, 1))
    assert halves(np.zeros(5), 0).tolist() == [False] * 5
