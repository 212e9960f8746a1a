"""Folds: each face is tested once, in whole groups; published folds are used as they are."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from agegender.data.folds import Folds, OutOfFold
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, concat

Population = Callable[..., FaceTable]


def test_over_all_folds_each_face_is_tested_once_and_groups_stay_together(population: Population) -> None:
    table = population(600, groups=150)
    tested: Counter[str] = Counter()
    for number in range(4):
        frame = Folds(number, count=4, val_fraction=0.2, seed=1).assign(table).frame
        assert len(frame) == 600 and frame.groupby("group")["split"].nunique().max() == 1
        shares = frame["split"].value_counts(normalize=True)
        assert abs(shares["test"] - 0.25) < 0.02 and abs(shares["val"] - 0.15) < 0.02
        tested.update(frame["path"][frame["split"] == "test"])
    assert len(tested) == 600 and set(tested.values()) == {1}


def test_folds_are_stratified_by_age_and_gender(population: Population) -> None:
    frame = Folds(2, count=4).assign(population(1000)).frame
    for _, stratum in frame.groupby([frame["age_low"] // 10, "gender"]):
        assert abs((stratum["split"] == "test").sum() - len(stratum) / 4) <= 2


def test_folds_depend_on_the_seed_and_not_on_the_order_of_rows(population: Population) -> None:
    def tested(table: FaceTable, seed: int) -> set[str]:
        frame = Folds(1, seed=seed).assign(table).frame
        return set(frame["path"][frame["split"] == "test"])

    table = population(200)
    shuffled = FaceTable(table.frame.sample(frac=1, random_state=0), table.roots)
    assert tested(table, 3) == tested(shuffled, 3) != tested(table, 4)


def test_predefined_splits_are_ignored_and_published_folds_are_not(population: Population) -> None:
    plain = population(100).with_columns(split="test")
    published = FaceTable.of("own", Path("/own"), {"path": [f"{i}.jpg" for i in range(40)], "age_low": [30.0] * 40,
                                                   "age_high": [30.0] * 40})  # fmt: skip
    published = published.with_columns(fold=pd.array(["ab"[i % 2] for i in range(40)], dtype="string"))
    both = concat([plain, published])
    split = Folds(1, count=2, val_fraction=0)
    frame = split.assign(both).frame
    own = frame[frame["dataset"] == "own"]
    assert (own["split"] == "test").equals(own["fold"] == "b")
    assert Counter(frame["split"][frame["dataset"] != "own"]) == {"train": 50, "test": 50}
    assert split.describe(both) == "published folds of own, fold 1 of 2, val 0 of train, seed 0"
    assert split.describe(plain) == split.name
    partly = published.with_columns(fold=pd.array([None, *["a"] * 39], dtype="string"))
    with pytest.raises(AgeGenderError, match="own publishes no fold for 1 of its faces"):
        split.assign(partly)


def test_a_train_face_in_the_group_of_a_published_test_face_is_dropped() -> None:
    table = FaceTable.of("own", Path("/own"), {"path": list("abcd"), "group": ["x", "x", "y", "z"]})
    table = table.with_columns(fold=pd.array(["0", "1", "1", "1"], dtype="string"))
    result = Folds(0, count=2, val_fraction=0).assign(table)
    assert dict(zip(result.frame["path"], result.frame["split"], strict=True)) == {"a": "test", "c": "train", "d": "train"}
    assert result.skipped[0].path == "own/b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"number": 5}, r"split\.number=5 must be 0 to 4, because there are 5 folds"),
        ({"number": -1}, r"split\.number=-1 must be 0 to 4"),
        ({"count": 1}, r"split\.count=1 must be at least 2"),
        ({"val_fraction": 1.0}, r"split\.val_fraction=1\.0 must be at least 0 and below 1"),
    ],
)
def test_wrong_arguments_raise(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        Folds(**arguments)  # type: ignore[arg-type]


def test_an_empty_split_is_named(population: Population) -> None:
    with pytest.raises(AgeGenderError, match="3 faces in 1 group give no face to"):
        Folds(0).assign(population(3, groups=1))


def test_out_of_fold_puts_every_face_into_test(population: Population) -> None:
    table = population(30)
    table.frame["split"] = pd.array(["train"] * 10 + [pd.NA] * 20, dtype="string")
    assert set(OutOfFold().assign(table).frame["split"]) == {"test"}
