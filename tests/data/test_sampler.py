"""Sampling weights, against slow references and the code of the authors of LDS."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import convolve1d, gaussian_filter1d

from agegender.data.batches import TrainBatches
from agegender.data.sampler import AgeBalancedSampler, DatasetSampler, GroupBalancedSampler, LDSSampler, PlainSampler
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, concat


def _table(low: list[float], high: list[float] | None = None) -> FaceTable:
    columns = {"path": [f"{row}.jpg" for row in range(len(low))], "age_low": low, "age_high": low if high is None else high}
    return FaceTable.of("faces", Path("faces"), columns)


def test_plain_sampler_has_no_weights():
    assert PlainSampler().weights(_table([1.0])) is None


@pytest.mark.parametrize(("band", "power"), [(10, 1.0), (10, 1), (5, 0.5), (7, 0.0)])
def test_age_balanced_weights_are_inverse_counts_of_the_age_band(band, power):
    ages = np.random.default_rng(0).integers(0, 60, 200).astype(float)
    weights = AgeBalancedSampler(band, power).weights(_table(ages.tolist()))
    for age, weight in zip(ages, weights, strict=True):
        count = sum(1 for other in ages if int(other) // band == int(age) // band)
        assert weight == pytest.approx(count**-power)


def test_with_power_1_age_bands_have_equal_shares():
    weights = AgeBalancedSampler(10, power=1.0).weights(_table([1.0] * 30 + [25.0] * 3 + [99.0]))
    assert [weights[:30].sum(), weights[30:33].sum(), weights[33:].sum()] == pytest.approx([1, 1, 1])


def test_intervals_count_as_their_midpoint_and_unknown_ages_get_the_mean_weight():
    low, high = [3.0, 5.0, 70.0, np.nan], [9.0, 5.0, 116.0, np.nan]
    assert AgeBalancedSampler(10, 1.0).weights(_table(low, high)) == pytest.approx([0.5, 0.5, 1.0, 2 / 3])


def test_without_known_ages_all_weights_are_equal():
    assert AgeBalancedSampler().weights(_table([np.nan, np.nan])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("power", [1.0, 1, 0.5, 0.0])
def test_groups_of_race_and_gender_are_drawn_by_their_size(power):
    groups = [("White", 0)] * 30 + [("White", 1)] * 5 + [("Black", 1)] * 2 + [(None, 1), ("Black", None)]
    race, gender = zip(*groups, strict=True)
    columns = {"path": [f"{row}.jpg" for row in range(len(groups))], "race": list(race), "gender": list(gender)}
    weights = GroupBalancedSampler(power).weights(FaceTable.of("faces", Path("faces"), columns))
    sizes = [30] * 30 + [5] * 5 + [2] * 2
    expected = [size**-power for size in sizes]
    assert weights == pytest.approx([*expected, np.mean(expected), np.mean(expected)])


def test_groups_need_labels_and_a_power_that_is_not_negative():
    with pytest.raises(AgeGenderError, match="needs faces with race and gender"):
        GroupBalancedSampler().weights(_table([1.0, 2.0]))
    with pytest.raises(AgeGenderError, match="power=-1"):
        GroupBalancedSampler(-1)


def test_wrong_settings_of_the_age_balanced_sampler_raise():
    with pytest.raises(AgeGenderError, match="band=0"):
        AgeBalancedSampler(band=0)


def _official_kernel(ks, sigma):
    """``get_lds_kernel_window`` from the authors' utils.py, for a Gaussian."""
    half_ks = (ks - 1) // 2
    base_kernel = [0.0] * half_ks + [1.0] + [0.0] * half_ks
    return gaussian_filter1d(base_kernel, sigma=sigma) / max(gaussian_filter1d(base_kernel, sigma=sigma))


def _official_weights(labels, reweight, ks, sigma, max_target=121):
    """``_prepare_weights`` from the authors' imdb-wiki-dir/datasets.py, with LDS."""
    value_dict = {x: 0 for x in range(max_target)}
    for label in labels:
        value_dict[min(max_target - 1, int(label))] += 1
    if reweight == "sqrt_inv":
        value_dict = {k: np.sqrt(v) for k, v in value_dict.items()}
    elif reweight == "inverse":
        value_dict = {k: np.clip(v, 5, 1000) for k, v in value_dict.items()}
    window = _official_kernel(ks, sigma)
    smoothed_value = convolve1d(np.asarray([v for _, v in value_dict.items()], dtype=float), weights=window, mode="constant")
    num_per_label = [smoothed_value[min(max_target - 1, int(label))] for label in labels]
    weights = [np.float32(1 / x) for x in num_per_label]
    scaling = len(weights) / np.sum(weights)
    return [scaling * x for x in weights]


@pytest.mark.parametrize(("kernel", "sigma"), [(5, 2.0), (9, 1.0), (3, 5.0), (1, 2.0)])
@pytest.mark.parametrize("reweight", ["sqrt_inv", "inverse"])
def test_lds_weights_of_exact_ages_equal_those_of_the_authors_code(reweight, kernel, sigma):
    """With many ages near 0, fractions of a year, gaps, and more than 1,000 faces of one age."""
    rng = np.random.default_rng(0)
    ages = np.concatenate([rng.exponential(12, 1500), rng.uniform(60, 121, 60), np.full(1100, 26.9)])
    options = {"sqrt_inv": {"power": 0.5}, "inverse": {"power": 1.0, "clip": [5, 1000]}}[reweight]
    weights = LDSSampler(sigma, kernel, **options).weights(_table(ages.tolist()))
    expected = _official_weights(ages, reweight, kernel, sigma)
    np.testing.assert_allclose(weights / weights.mean(), expected, rtol=1e-5)


@pytest.mark.parametrize(("sigma", "kernel", "power"), [(2.0, 5, 0.5), (1.0, 9, 1.0), (2.0, 1, 1.0)])
def test_lds_intervals_count_in_equal_fractions_in_each_of_their_years(sigma, kernel, power):
    rng = np.random.default_rng(0)
    low = rng.integers(0, 60, 150).astype(float)
    high = low + rng.choice([0, 0, 0, 9, 30], 150)
    weights = LDSSampler(sigma, kernel, power).weights(_table([*low + 0.9, np.nan], [*high + 0.9, np.nan]))
    counts = [sum((lo <= year <= hi) / (hi - lo + 1) for lo, hi in zip(low, high, strict=True)) for year in range(130)]
    window = _official_kernel(kernel, sigma)
    half = kernel // 2
    density = [
        sum(window[offset + half] * counts[year + offset] ** power for offset in range(-half, half + 1) if year + offset >= 0)
        for year in range(120)
    ]
    for weight, lo, hi in zip(weights, low, high, strict=False):
        assert weight == pytest.approx(1 / np.mean([density[year] for year in range(int(lo), int(hi) + 1)]))
    assert weights[-1] == pytest.approx(weights[:-1].mean())


def test_lds_gives_a_rare_age_beside_a_frequent_age_a_small_weight():
    """With 30 faces of age 40, one of 41 and one of 60, the weight of 41 is near that of 40, and that of 60 is large."""
    weights = LDSSampler(power=1.0).weights(_table([40.0] * 30 + [41.0, 60.0]))
    assert weights[30] < 1.3 * weights[0] and weights[31] > 20 * weights[0]
    unsmoothed = LDSSampler(kernel=1, power=1.0).weights(_table([40.0] * 30 + [41.0, 60.0]))
    assert unsmoothed[30] == pytest.approx(30 * unsmoothed[0])


def test_lds_weights_of_ages_above_120():
    weights = LDSSampler(power=1.0, kernel=1).weights(_table([120.5, 130.0, 130.9]))
    assert weights == pytest.approx([1.0, 0.5, 0.5])


def test_lds_without_known_ages_and_with_wrong_settings():
    assert LDSSampler().weights(_table([np.nan, np.nan])).tolist() == [1.0, 1.0]
    for wrong in ([5], [6, 5], [-1, 5], [0, 0]):
        with pytest.raises(AgeGenderError, match=r"sampler\.clip="):
            LDSSampler(clip=wrong)
    for wrong in ({"sigma": 0}, {"kernel": 4}, {"kernel": 0}, {"power": 0}):
        with pytest.raises(AgeGenderError, match="sigma must be > 0"):
            LDSSampler(**wrong)


def _two_sets(first: int, second: int) -> FaceTable:
    names = [f"{row}.jpg" for row in range(first + second)]
    return concat(
        [FaceTable.of("a", Path("a"), {"path": names[:first]}), FaceTable.of("b", Path("b"), {"path": names[first:]})]
    )


def test_datasets_are_drawn_by_their_weights_whatever_their_sizes():
    weights = DatasetSampler({"b": 1.5, "a": 0.5}).weights(_two_sets(30, 7))
    assert [weights[:30].sum(), weights[30:].sum()] == pytest.approx([0.5, 1.5])
    assert len(set(weights[:30])) == len(set(weights[30:])) == 1
    drawn = np.concatenate([batch.indices for batch in TrainBatches(np.arange(37), 37, seed=0, weights=weights)])
    assert (drawn >= 30).sum() > 18  # 28 of 37 are expected; without weights it would be 7


def test_weights_must_name_the_datasets_of_the_table():
    with pytest.raises(AgeGenderError, match=r"sampler\.weights names the datasets a; the train split has faces of a, b"):
        DatasetSampler({"a": 1}).weights(_two_sets(2, 2))
    with pytest.raises(AgeGenderError, match=r"sampler\.weights names the datasets a, b, c; the train split has faces of a, b"):
        DatasetSampler({"a": 1, "b": 1, "c": 1}).weights(_two_sets(2, 2))
    with pytest.raises(AgeGenderError, match=r"sampler\.weights\.b=0 must be > 0"):
        DatasetSampler({"a": 1, "b": 0})
