"""Quantiles, CRPS and PIT of age distributions, against brute force and simulated ages."""

import numpy as np
import pytest
import torch

from agegender.heads.intervals import median
from agegender.metrics.distributions import ENDS, LEVELS, QUANTILES, crps, pit, pit_histogram, quantile, summary_columns


def distributions(n: int, years: int = 60, seed: int = 0) -> np.ndarray:
    raw = np.random.default_rng(seed).gamma(0.3, size=(n, years))
    return raw / raw.sum(axis=1, keepdims=True)


def test_the_crps_equals_its_definition_by_expectations() -> None:
    probabilities, first = distributions(40), 5
    years = np.arange(first, first + 60)
    age = np.random.default_rng(1).integers(first, first + 60, 40).astype(float)
    far = np.abs(years[:, None] - years)
    expected = [p @ np.abs(years - y) - p @ far @ p / 2 for p, y in zip(probabilities, age, strict=True)]
    assert crps(np.cumsum(probabilities, axis=1), first, age).tolist() == pytest.approx(expected)
    certain = np.zeros((1, 60))
    certain[0, 10] = 1
    assert crps(np.cumsum(certain, axis=1), first, np.array([22.0])).tolist() == [7]  # the absolute error
    assert crps(np.cumsum(certain, axis=1), first, np.array([70.0])).tolist() == [55]  # beyond the last year


def test_quantiles_agree_with_the_median_of_the_heads_and_invert_the_distribution() -> None:
    probabilities = distributions(50)
    up_to = np.cumsum(probabilities, axis=1)
    expected = median(torch.tensor(probabilities), 5).numpy()
    assert quantile(up_to, 5, 0.5) == pytest.approx(expected)
    for share in QUANTILES.values():
        at = quantile(up_to, 5, share)
        reached = [np.interp(age, 4.5 + np.arange(61), np.append(0, row)) for age, row in zip(at, up_to, strict=True)]
        assert reached == pytest.approx([share] * 50)


def test_each_level_has_its_ends() -> None:
    for level in LEVELS:
        low, high = (QUANTILES[name] for name in ENDS[level])
        assert (high - low, low) == pytest.approx((level / 100, 1 - high))


def test_the_transform_of_ages_drawn_from_the_distribution_is_uniform() -> None:
    rng = np.random.default_rng(0)
    probabilities = distributions(20_000, 40, 1)
    up_to = np.cumsum(probabilities, axis=1)
    age = (up_to < rng.random(20_000)[:, None]).sum(axis=1) + 10.0
    low, high = pit(up_to, 10, age)
    assert (high - low).tolist() == pytest.approx(probabilities[np.arange(20_000), (age - 10).astype(int)].tolist())
    assert pit_histogram(low, high).tolist() == pytest.approx([0.1] * 10, abs=0.01)
    assert pit_histogram(low**2, high**2)[0] > 0.25


def test_the_columns_of_a_table_of_predictions() -> None:
    probabilities = distributions(4)
    low = np.array([20.0, 20.0, np.nan, 80.0])
    columns = summary_columns(probabilities, 5, low, np.array([20.0, 29.0, np.nan, 80.0]), [18, 21, 3])
    assert set(columns) == {*QUANTILES, "probability_under_18", "probability_under_21", "probability_under_3", "age_crps",
                            "age_pit_low", "age_pit_high"}  # fmt: skip
    assert columns["probability_under_18"].tolist() == pytest.approx(probabilities[:, : 18 - 5].sum(axis=1).tolist())
    assert columns["probability_under_3"].tolist() == [0] * 4
    assert np.isnan(columns["age_crps"]).tolist() == [False, True, True, False]
    assert columns["age_pit_high"][0] == pytest.approx(probabilities[0, : 21 - 5].sum())
    assert columns["age_pit_low"][3] == columns["age_pit_high"][3] == pytest.approx(1)
