"""The bootstrap of all metrics over many groups, against drawing the faces one resample after the other."""

import tracemalloc

import numpy as np
import pytest
from scipy.stats import binomtest

from agegender.metrics.measure import measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import BY_KEY, METRICS
from agegender.metrics.resampling import Draws, MetricTable, percentiles, share_interval


def faces(n: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 90, n).astype(float)
    high = low + np.where(rng.random(n) < 0.2, 4, 0)
    low[:3] = high[:3] = np.nan
    gender = rng.integers(-1, 2, n)
    return Predictions(low, high, gender, np.abs(low.clip(0) + rng.normal(0, 9, n)), rng.random(n), (0, 26, 51), rng.random(n))


CELLS = [np.arange(0, 60), np.arange(60, 100), np.arange(100, 103), np.zeros(0, dtype=np.int64)]


def test_each_group_has_the_metrics_it_would_have_alone() -> None:
    some = faces(120)
    table = MetricTable(some, METRICS)
    values = table.values(CELLS)
    assert values.shape == (4, len([metric for metric in METRICS if metric.is_computed]))
    for cell, row in zip(CELLS, values, strict=True):
        alone = measure(some[cell])
        for metric, value in zip(table.metrics, row, strict=True):
            expected = alone[metric.key]
            assert np.isnan(value) if expected is None else value == pytest.approx(expected), metric.key
    numbers = dict(zip([metric.key for metric in table.metrics], table.numbers(CELLS).T, strict=True))
    assert numbers["gender_accuracy"].tolist() == [int((some.gender[cell] >= 0).sum()) for cell in CELLS]


def test_each_resample_has_the_metrics_of_the_faces_that_it_draws() -> None:
    some = faces(120)
    ties = np.repeat(np.arange(60), 2)
    draws = Draws(ties, resamples=8, seed=5)
    table = MetricTable(some, METRICS)
    drawn = table.drawn(CELLS, draws)
    times = draws.times(np.arange(120), slice(0, 8))
    assert (times[::2] == times[1::2]).all() and (times.sum(axis=0) == 120).all()
    for resample in range(8):
        for number, cell in enumerate(CELLS):
            again = measure(some[np.repeat(cell, times[cell, resample])])
            for metric, value in zip(table.metrics, drawn[resample, number], strict=True):
                expected = again[metric.key]
                assert np.isnan(value) if expected is None else value == pytest.approx(expected), metric.key


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    error = np.random.default_rng(0).exponential(4.0, 4000)
    age = np.full(4000, 30.0)
    table = MetricTable(Predictions(age, age, np.full(4000, -1), age + error), [BY_KEY["age_mae"]])
    cells, draws = [np.arange(4000)], Draws(np.arange(4000), 2000, 1)
    low, high = table.intervals(cells, table.values(cells), table.drawn(cells, draws), draws)[0, 0]
    half = 1.96 * error.std() / np.sqrt(4000)
    assert (low, high) == pytest.approx((error.mean() - half, error.mean() + half), abs=0.1 * half)


def test_it_covers_the_true_mean_about_95_times_in_100_and_copies_do_not_narrow_it() -> None:
    rng, covered, alone = np.random.default_rng(0), 0, 0
    for seed in range(200):
        people = 5 + rng.normal(0, 2, 60)
        error, age = people.repeat(4), np.full(240, 30.0)
        table = MetricTable(Predictions(age, age, np.full(240, -1), age + error), [BY_KEY["age_bias"]])
        for tied in (np.arange(60).repeat(4), np.arange(240)):
            draws = Draws(tied, 400, seed)
            low, high = percentiles(table.drawn([np.arange(240)], draws), (0.025, 0.975))[0, 0]
            covered += (low <= 5 <= high) and len(np.unique(tied)) == 60
            alone += (low <= 5 <= high) and len(np.unique(tied)) == 240
    assert 0.89 <= covered / 200 <= 0.98
    assert alone / 200 < 0.8


def test_the_same_seed_gives_the_same_draws() -> None:
    one, same, other = (Draws(np.arange(50), 20, seed) for seed in (3, 3, 4))
    every = np.arange(50), slice(0, 20)
    assert np.array_equal(one.times(*every), same.times(*every)) and not np.array_equal(one.times(*every), other.times(*every))


@pytest.mark.parametrize("trials", [1, 7, 30])
def test_a_share_of_0_or_1_has_the_interval_of_clopper_and_pearson(trials: int) -> None:
    for share in (0, 1):
        exact = binomtest(share * trials, trials).proportion_ci(0.95)
        assert share_interval(share, trials) == pytest.approx((exact.low, exact.high))
    age = np.full(trials, 10.0)
    table = MetricTable(Predictions(age, age, np.full(trials, -1), age), [BY_KEY["age_minors_passed"]])
    cells, draws = [np.arange(trials)], Draws(np.arange(trials), 50)
    ends = table.intervals(cells, table.values(cells), table.drawn(cells, draws), draws)
    assert ends[0, 0].tolist() == pytest.approx([0, 1 - 0.025 ** (1 / trials)])


def test_percentiles_leave_out_nan() -> None:
    numbers = np.random.default_rng(0).normal(size=(101, 3))
    numbers[::2, 1] = np.nan
    numbers[:, 2] = np.nan
    found = percentiles(numbers, (0.025, 0.5))
    assert found[:2] == pytest.approx(np.nanpercentile(numbers[:, :2], [2.5, 50], axis=0).T)
    assert np.isnan(found[2]).all()


def test_twenty_thousand_faces_of_sixty_groups_fit_into_little_memory() -> None:
    some, rng = faces(20_000), np.random.default_rng(0)
    group = rng.integers(0, 60, 20_000)
    cells = [np.flatnonzero(group == one) for one in range(60)]
    tracemalloc.start()
    draws = Draws(np.arange(20_000), 200)
    MetricTable(some, METRICS).drawn(cells, draws)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250e6  # every resampled face of every metric at once would take 200 * 20,000 * 48 * 8 = 1.5 GB
