"""Weights of faces against a slow count."""

from pathlib import Path

import numpy as np
import pytest

from agegender.data.batches import TrainBatches
from agegender.data.sampler import AgeBalancedSampler, DatasetSampler, LDSSampler, PlainSampler
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, concat


def _table(low: list[float], high: list[float] | None = None) -> FaceTable:
    columns = {"path": [f"{row}.jpg" for row in range(len(low))], "age_low": low, "age_high": low if high is None else high}
    return FaceTable.of("faces", Path("faces"), columns)


def test_plain_has_no_weights():
    assert PlainSampler().weights(_table([1.0])) is None


@pytest.mark.parametrize(("band", "power"), [(10, 1.0), (5, 0.5), (7, 0.0)])
def test_weights_are_inverse_counts_of_the_age_band(band, power):
    ages = np.random.default_rng(0).integers(0, 60, 200).astype(float)
    weights = AgeBalancedSampler(band, power).weights(_table(ages.tolist()))
    for age, weight in zip(ages, weights, strict=True):
        count = sum(1 for other in ages if int(other) // band == int(age) // band)
        assert weight == pytest.approx(count**-power)


def test_bands_get_equal_shares():
    weights = AgeBalancedSampler(10).weights(_table([1.0] * 30 + [25.0] * 3 + [99.0]))
    assert [weights[:30].sum(), weights[30:33].sum(), weights[33:].sum()] == pytest.approx([1, 1, 1])


def test_intervals_count_at_their_middle_and_unknown_ages_get_the_mean():
    low, high = [3.0, 5.0, 70.0, np.nan], [9.0, 5.0, 116.0, np.nan]
    assert AgeBalancedSampler(10).weights(_table(low, high)) == pytest.approx([0.5, 0.5, 1.0, 2 / 3])


def test_no_age_known_at_all():
    assert AgeBalancedSampler().weights(_table([np.nan, np.nan])).tolist() == [1.0, 1.0]


def test_bad_settings_are_refused():
    with pytest.raises(AgeGenderError, match="band=0"):
        AgeBalancedSampler(band=0)


@pytest.mark.parametrize(("sigma", "kernel", "power"), [(2.0, 5, 0.5), (1.0, 9, 1.0), (2.0, 1, 1.0)])
def test_smoothed_densities_equal_a_slow_count(sigma, kernel, power):
    """Exact ages and intervals, each counted in every year it may be."""
    rng = np.random.default_rng(0)
    low = rng.integers(0, 60, 150).astype(float)
    high = low + rng.choice([0, 0, 0, 9, 30], 150)
    weights = LDSSampler(sigma, kernel, power).weights(_table([*low, np.nan], [*high, np.nan]))
    density = {}
    for year in range(-20, 120):
        total = 0.0
        for lo, hi in zip(low, high, strict=True):
            for other in range(int(lo), int(hi) + 1):
                if abs(other - year) <= kernel // 2:
                    total += np.exp(-((other - year) ** 2) / (2 * sigma**2)) / (hi - lo + 1)
        density[year] = total
    for weight, lo, hi in zip(weights, low, high, strict=False):
        assert weight == pytest.approx(np.mean([density[year] for year in range(int(lo), int(hi) + 1)]) ** -power)
    assert weights[-1] == pytest.approx(weights[:-1].mean())


def test_a_gap_between_frequent_ages_is_not_rare():
    """30 faces of 40, one of 41, one of 60: 41 is drawn nearly as seldom as 40, 60 often."""
    weights = LDSSampler(power=1.0).weights(_table([40.0] * 30 + [41.0, 60.0]))
    assert weights[30] < 1.3 * weights[0] and weights[31] > 20 * weights[0]
    unsmoothed = LDSSampler(kernel=1, power=1.0).weights(_table([40.0] * 30 + [41.0, 60.0]))
    assert unsmoothed[30] == pytest.approx(30 * unsmoothed[0])


def test_lds_without_any_age_and_with_bad_settings():
    assert LDSSampler().weights(_table([np.nan, np.nan])).tolist() == [1.0, 1.0]
    for wrong in ({"sigma": 0}, {"kernel": 4}, {"kernel": 0}, {"power": -1}):
        with pytest.raises(AgeGenderError, match="allowed are sigma > 0"):
            LDSSampler(**wrong)


def _two_sets(first: int, second: int) -> FaceTable:
    names = [f"{row}.jpg" for row in range(first + second)]
    return concat(
        [FaceTable.of("a", Path("a"), {"path": names[:first]}), FaceTable.of("b", Path("b"), {"path": names[first:]})]
    )


def test_data_sets_are_drawn_by_their_weights_whatever_their_sizes():
    weights = DatasetSampler({"b": 1.5, "a": 0.5}).weights(_two_sets(30, 7))
    assert [weights[:30].sum(), weights[30:].sum()] == pytest.approx([0.5, 1.5])
    assert len(set(weights[:30])) == len(set(weights[30:])) == 1
    drawn = np.concatenate([batch.indices for batch in TrainBatches(np.arange(37), 37, seed=0, weights=weights)])
    assert (drawn >= 30).sum() > 18  # expected 28 of 37; a plain draw would give 7


def test_weights_of_data_sets_must_be_those_that_are_there():
    with pytest.raises(AgeGenderError, match=r"sampler\.weights are of a; the train part has faces of a, b"):
        DatasetSampler({"a": 1}).weights(_two_sets(2, 2))
    with pytest.raises(AgeGenderError, match=r"sampler\.weights are of a, b, c; the train part has faces of a, b"):
        DatasetSampler({"a": 1, "b": 1, "c": 1}).weights(_two_sets(2, 2))
    with pytest.raises(AgeGenderError, match=r"sampler\.weights\.b=0 must be positive"):
        DatasetSampler({"a": 1, "b": 0})
