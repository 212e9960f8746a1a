"""A fifth of the tested faces as validation split, for faces that have none."""

from collections.abc import Callable

import numpy as np
import pytest

from agegender.data.held_out import hold_out_fifth
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, concat

Population = Callable[..., FaceTable]


def test_a_fifth_is_held_out_in_whole_groups(population: Population) -> None:
    faces = population(1000, groups=300).with_columns(split="test")
    held_out, name = hold_out_fifth(faces, "test")
    frame = held_out.frame
    assert frame.groupby("group")["split"].nunique().max() == 1
    assert (frame["split"] == "val").sum() == pytest.approx(200, abs=10) and set(frame["split"]) == {"val", "test"}
    assert name == ", a fifth of test of d held out as val"
    assert held_out.notes[-1].endswith("faces moved from test to val: d had no val split")
    ages = frame.groupby("split")["age_low"].mean()
    assert ages["val"] == pytest.approx(ages["test"], rel=0.1)


def test_the_same_faces_are_held_out_in_any_order(population: Population) -> None:
    faces = population(200).with_columns(split="test")
    shuffled = FaceTable(faces.frame.sample(frac=1, random_state=0), faces.roots)
    chosen = [
        set(one.frame["path"][one.frame["split"] == "val"]) for one, _ in (hold_out_fifth(f, "test") for f in (faces, shuffled))
    ]
    assert chosen[0] == chosen[1]


def test_only_datasets_without_val_faces_lose_a_fifth(population: Population) -> None:
    split = np.repeat(["train", "val", "test"], [20, 20, 60])
    first = population(100).with_columns(split=split)
    second = population(100, seed=1).frame.assign(dataset="e", split="test", group=[f"e/{i}" for i in range(100)])
    both = concat([first, FaceTable(second, {"e": first.roots["d"]})])
    held_out, name = hold_out_fifth(both, "test")
    counts = held_out.frame.groupby(["dataset", "split"]).size().to_dict()
    assert counts == {("d", "train"): 20, ("d", "val"): 20, ("d", "test"): 60, ("e", "test"): 80, ("e", "val"): 20}
    assert name == ", a fifth of test of e held out as val"
    assert hold_out_fifth(first, "test") == (first, "")


def test_copies_in_another_dataset_are_held_out_too(population: Population) -> None:
    """A face of a dataset that has val faces is not tested if a copy of it is held out."""
    first = population(100).with_columns(split="test")
    second = first.frame.assign(dataset="e", split=["val", *["test"] * 99], group=["alone", *first.frame["group"][1:]])
    both = concat([first, FaceTable(second, {"e": first.roots["d"]})])
    held_out, _ = hold_out_fifth(both, "test")
    assert held_out.frame.groupby("group")["split"].nunique().max() == 1
    assert (held_out.frame["split"][100:] == "val").sum() > 1


def test_faces_of_one_group_cannot_be_divided(population: Population) -> None:
    faces = population(30).with_columns(split="test", group="one person")
    with pytest.raises(AgeGenderError, match="d has no val split, and its 30 faces of the test split are too few groups"):
        hold_out_fifth(faces, "test")
