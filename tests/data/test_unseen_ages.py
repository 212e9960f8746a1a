"""The ages of the test split do not occur in training; labels that are partly inside are left out and counted."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agegender.data.unseen_ages import UnseenAges
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

LABELS = {
    "child": (9, 9, "test"), "minor": (17, 17, "test"), "young": (18, 18, "train"), "older": (59, 59, "train"),
    "nearly": (59.5, 59.5, "train"), "old": (60, 60, "test"), "range inside": (20, 29, "train"),
    "range to the end": (50, 59, "train"), "range below": (10, 17, "test"), "range above": (60, 100, "test"),
    "teens": (10, 19, None), "across the end": (55, 65, None), "across all": (0, 100, None), "unknown": (None, None, None),
}  # fmt: skip


def faces(split: str | None = None) -> FaceTable:
    low, high = ([one[end] for one in LABELS.values()] for end in (0, 1))
    columns = {"path": list(LABELS), "age_low": low, "age_high": high, "split": [split] * len(LABELS)}
    return FaceTable.of("d", Path("/d"), columns)


@pytest.mark.parametrize("predefined", [None, "train", "test"])
def test_labels_are_inside_outside_or_left_out(predefined: str | None) -> None:
    result = UnseenAges(val_fraction=0).assign(faces(predefined))
    expected = {name: split for name, (_, _, split) in LABELS.items() if split}
    assert dict(zip(result.frame["path"], result.frame["split"], strict=True)) == expected
    assert result.notes == [
        "3 faces dropped: age range is partly inside 18 to 59 (split=unseen_ages)",
        "1 face dropped: age is unknown (split=unseen_ages)",
    ]
    assert {one.path for one in result.skipped} == {"d/teens", "d/across the end", "d/across all", "d/unknown"}


def test_val_is_part_of_the_ages_of_training_and_people_are_not_in_two_splits(population: Callable[..., FaceTable]) -> None:
    table = population(1000, groups=200)
    result = UnseenAges((20, 49), val_fraction=0.2, seed=2).assign(table)
    inside = result.frame["age_low"].between(20, 49)
    assert [split == "test" for split in result.frame["split"]] == (~inside).tolist()
    assert result.frame.groupby("group")["split"].nunique().max() == 1
    counts = Counter(result.frame["split"])
    assert 0.1 < counts["val"] / (counts["val"] + counts["train"]) < 0.3
    assert any("dropped from train: in the same group as held-out faces" in note for note in result.notes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_ages": [30]}, r"split\.train_ages=\[30\] must be two ages"),
        ({"train_ages": [30, 20]}, r"split\.train_ages=\[30, 20\] must be two ages"),
        ({"val_fraction": 1}, r"split\.val_fraction=1 must be at least 0 and below 1"),
    ],
)
def test_wrong_arguments_raise(arguments: dict, message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        UnseenAges(**arguments)


def test_an_empty_split_is_named() -> None:
    with pytest.raises(AgeGenderError, match="none of 9 faces is in train or val"):
        UnseenAges((100, 110)).assign(faces().where([split is not None for *_, split in LABELS.values()]))
