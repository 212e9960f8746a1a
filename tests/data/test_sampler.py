"""Weights of faces against a slow count."""

from pathlib import Path

import numpy as np
import pytest

from agegender.data.batches import TrainBatches
from agegender.data.sampler import AgeBalancedSampler, DatasetSampler, PlainSampler
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
