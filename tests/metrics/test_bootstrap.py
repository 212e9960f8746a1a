import tracemalloc

import numpy as np
import pytest

from agegender.metrics.bootstrap import mean_ci95


def test_the_interval_is_that_of_the_normal_approximation_for_many_values():
    values = np.random.default_rng(0).exponential(4.0, 5000)
    low, high = mean_ci95(values, seed=1, resamples=2000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_it_covers_the_true_mean_about_95_times_in_100():
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        low, high = mean_ci95(random.normal(size=100), seed, resamples=400)
        covered += low <= 0 <= high
    assert 0.90 <= covered / 300 <= 0.98


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(50.0)
    assert mean_ci95(values, seed=3) == mean_ci95(values, seed=3)
    assert mean_ci95(values, seed=3) != mean_ci95(values, seed=4)


def test_many_faces_need_little_memory():
    values = np.random.default_rng(0).normal(size=100_000)
    tracemalloc.start()
    low, high = mean_ci95(values, seed=0, resamples=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert low < values.mean() < high
    assert peak < 40e6  # all draws at once would take 120 MB


def test_degenerate_values():
    assert mean_ci95([7.0], seed=0) == [7.0, 7.0]
    assert mean_ci95([True] * 20, seed=0) == [1.0, 1.0]
    with pytest.raises(ValueError, match="at least one value"):
        mean_ci95([], seed=0)


def test_tied_values_are_drawn_together():
    random = np.random.default_rng(0)
    values, names = random.normal(size=60), random.permutation([f"person {n % 20}" for n in range(60)])
    members = [np.flatnonzero(names == name) for name in sorted(set(names))]
    draws = np.random.default_rng(4).integers(20, size=(500, 20), dtype=np.int32)
    means = [values[np.concatenate([members[group] for group in drawn])].mean() for drawn in draws]
    assert mean_ci95(values, 4, 500, names) == pytest.approx(list(np.percentile(means, [2.5, 97.5])))


def test_copies_do_not_narrow_the_interval():
    values = np.random.default_rng(0).normal(size=50)
    alone = mean_ci95(values, 0)
    assert mean_ci95(np.repeat(values, 3), 0, groups=np.arange(150) // 3) == pytest.approx(alone)
    assert mean_ci95(values, 0, groups=np.arange(50)) == alone
