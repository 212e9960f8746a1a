"""Stratified random assignment: fractions in each stratum, whole groups, reproducibility."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agegender.data.stratified import random_key, stratified_groups
from agegender.sources.faces import FaceTable

Population = Callable[..., FaceTable]


def test_fractions_hold_overall_and_in_each_stratum(population: Population) -> None:
    frame = population().frame
    split = stratified_groups(frame, (0.7, 0.1, 0.2), seed=3)
    assert np.bincount(split).tolist() == [1400, 200, 400]
    for _, stratum in pd.Series(split).groupby([frame["age_low"] // 10, frame["gender"]]):
        for number, fraction in enumerate((0.7, 0.1, 0.2)):
            assert abs((stratum == number).sum() - fraction * len(stratum)) <= 2


def test_within_a_stratum_the_assignment_is_random() -> None:
    """Ages within a decade have the same mean in each split, which they would not if paths or ages had an influence."""
    number = 3000
    age = np.sort(np.arange(number) % 10 + 20.0)
    columns = {"path": [f"{i:05}" for i in range(number)], "age_low": age, "age_high": age}
    frame = FaceTable.of("d", Path("/d"), columns).frame
    first, other = (stratified_groups(frame, (0.5, 0.25, 0.25), seed) for seed in (0, 1))
    means = pd.Series(age).groupby(first).mean()
    assert (means - 24.5).abs().max() < 5 * 2.87 / 750**0.5
    assert 120 < ((first == 2) & (other == 2)).sum() < 255  # expected by chance: 187.5, standard deviation 11.9


def test_groups_stay_together(population: Population) -> None:
    frame = population(groups=300).frame
    split = pd.Series(stratified_groups(frame, (0.8, 0.1, 0.1), seed=1))
    assert split.groupby(frame["group"]).nunique().max() == 1
    shares = split.value_counts(normalize=True)
    assert abs(shares[0] - 0.8) < 0.02 and abs(shares[2] - 0.1) < 0.02


def test_the_order_of_rows_does_not_matter(population: Population) -> None:
    frame = population(300, groups=100).frame
    shuffled = frame.sample(frac=1, random_state=0)
    first, second = (stratified_groups(one, (0.6, 0.4), seed=5) for one in (frame, shuffled))
    assert dict(zip(frame["path"], first, strict=True)) == dict(zip(shuffled["path"], second, strict=True))


def test_a_face_that_is_alone_in_its_stratum_can_get_any_split(population: Population) -> None:
    frame = population(200).frame
    frame.loc[0, ["age_low", "age_high"]] = 115
    assert {stratified_groups(frame, (0.5, 0.25, 0.25), seed)[0] for seed in range(20)} == {0, 1, 2}


@pytest.mark.parametrize("gender", [None, 1])
def test_unknown_labels_are_a_stratum(gender: int | None) -> None:
    frame = FaceTable.of("d", Path("/d"), {"path": [f"{i}.jpg" for i in range(20)], "gender": [gender] * 20}).frame
    assert np.bincount(stratified_groups(frame, (0.5, 0.25, 0.25), seed=0)).tolist() == [10, 5, 5]


def test_names_of_groups_do_not_matter() -> None:
    """A group may be named after a copy in another dataset; adding that dataset must not change other faces."""
    ages = [float(i % 80) for i in range(300)]
    columns = {"path": [f"{i}.jpg" for i in range(300)], "age_low": ages, "age_high": ages}
    frame, renamed = (FaceTable.of("z", Path("/z"), columns).frame for _ in range(2))
    renamed.loc[renamed.index[::7], "group"] = [f"a/{i}.jpg" for i in range(len(renamed.index[::7]))]
    first, second = (stratified_groups(one, (0.8, 0.1, 0.1), seed=0) for one in (frame, renamed))
    assert first.tolist() == second.tolist()


def test_a_known_assignment_does_not_change(population: Population) -> None:
    """If it changed, runs made before could not be resumed, and published checksums would be wrong."""
    split = stratified_groups(population(24).frame, (0.5, 0.25, 0.25), seed=0)
    assert "".join(".vt"[number] for number in split) == ".tvvtv.t.v..t..vttv....."


def test_random_keys_depend_on_seed_and_name() -> None:
    assert random_key(0, "a") == random_key(0, "a")
    assert len({random_key(0, "a"), random_key(0, "b"), random_key(1, "a")}) == 3
