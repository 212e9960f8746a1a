"""Counts of images that are not square, and what is said about them."""

import pandas as pd

from agegender.data.crop_report import (
    FEW,
    SQUARE,
    crop_lines,
    difference_warnings,
    image_counts,
    region_kinds,
    source_warnings,
    stretch_warnings,
)
from agegender.sources.crop import Crop


def faces(oblong: int, square: int = 0, dataset: str = "a") -> pd.DataFrame:
    width = [309] * oblong + [396] * square
    return pd.DataFrame({"dataset": dataset, "width": width, "height": [396] * len(width)})


def test_images_are_counted_by_dataset() -> None:
    both = pd.concat([faces(2, 3), faces(0, 4, "b")])
    counts = image_counts(both, {"a": Crop("pad", 0.8), "b": Crop()})
    assert counts == {
        "a": {"n": 5, "n_not_square": 2, "fit": "pad", "crop_scale": 0.8, "outside": "reflect"},
        "b": {"n": 4, "n_not_square": 0, "fit": "crop", "crop_scale": 1.0, "outside": "reflect"},
    }
    assert image_counts(both.iloc[:0], {"a": Crop()})["a"]["n"] == 0
    almost = pd.DataFrame({"dataset": "a", "width": [100, 100], "height": [SQUARE * 100, SQUARE * 100 + 1]})
    assert image_counts(almost, {"a": Crop()})["a"]["n_not_square"] == 1


def test_square_images_that_are_whole_need_no_line() -> None:
    assert crop_lines(image_counts(faces(0, 3), {"a": Crop()})) == []
    assert crop_lines(image_counts(faces(2, 1), {"a": Crop(scale=0.8)})) == [
        "a: 2 of 3 images are not square, the square at their centre is used (data.fit=crop); "
        "the region is scaled by 0.8 about its centre (data.crop_scale)"
    ]


def test_more_than_a_few_stretched_images_are_warned_of() -> None:
    few = int(FEW * 100)
    assert stretch_warnings(image_counts(faces(few, 100 - few), {"a": Crop("stretch")})) == []
    (warning,) = stretch_warnings(image_counts(faces(few + 1, 99 - few), {"a": Crop("stretch")}))
    assert warning.startswith(f"{few + 1} of 100 images of a are not square and are stretched")
    assert stretch_warnings(image_counts(faces(100), {"a": Crop("crop")})) == []


def test_another_crop_than_in_training_is_warned_of() -> None:
    def warnings(crop: Crop, oblong: int = 1, **trained: Crop) -> list[str]:
        crops = {"a": crop}
        return difference_warnings(image_counts(faces(oblong, 5), crops), crops, trained, {"a": "boxes"}, {})

    assert warnings(Crop(), a=Crop(), b=Crop("pad", 0.5)) == [] == warnings(Crop(), b=Crop())
    assert warnings(Crop("pad"), b=Crop()) == [
        "a is tested with data.fit=pad data.crop_scale=1; the model was trained with data.fit=crop data.crop_scale=1"
    ]
    assert warnings(Crop("pad"), oblong=0, b=Crop()) == []  # square images have one fit only
    (scale,) = warnings(Crop(scale=0.8), b=Crop(), c=Crop(scale=0.9))
    assert scale.endswith("data.fit=crop data.crop_scale=0.9 or data.fit=crop data.crop_scale=1")


def test_boxes_of_another_kind_than_in_training_are_warned_of() -> None:
    def warnings(kind: str, **trained: str) -> list[str]:
        crops = {"a": Crop()}
        counts = image_counts(faces(1), crops)
        return difference_warnings(counts, crops, {name: Crop() for name in trained}, {"a": kind}, trained)

    assert warnings("boxes", a="boxes", b="whole images") == [] == warnings("boxes", b="whole images", c="boxes")
    assert warnings("aligned boxes", b="whole images") == ["a has aligned boxes; the model was trained on whole images"]
    assert warnings("whole images", a="boxes", b="whole images") == ["a has whole images; the model was trained on boxes"]


def test_the_kind_of_the_faces_is_known_from_their_boxes() -> None:
    table = faces(3).assign(box=["", "0 0 9 9", "0 0 9 0 9 9 0 9"])
    assert region_kinds(table) == {"a": "aligned boxes and boxes and whole images"}
    assert region_kinds(table.iloc[2:]) == {"a": "aligned boxes"} and region_kinds(faces(1)) == {"a": "whole images"}


def test_another_dataset_than_in_training_is_warned_of() -> None:
    assert source_warnings({"a": Crop()}, {"a": Crop(), "b": Crop()}) == []
    (warning,) = source_warnings({"a": Crop(), "c": Crop()}, {"a": Crop()})
    assert warning.startswith("the model was trained on a. Faces of c may be cropped")
