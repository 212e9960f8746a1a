"""The crop of each dataset: from the settings, from the training of a model, and from configurations of earlier versions."""

import pandas as pd
import pytest

from agegender.data.crops import choose_crops, crop_settings, find_regions
from agegender.errors import AgeGenderError
from agegender.sources.box import parse_box
from agegender.sources.crop import Crop

OPEN = {"fit": None, "crop_scale": None, "outside": None}


def test_a_new_training_has_the_defaults_and_an_earlier_configuration_stretches() -> None:
    assert choose_crops(OPEN, ["a", "b"]) == {"a": Crop(), "b": Crop()}
    assert choose_crops({}, ["a"]) == {"a": Crop("stretch", 1.0)}


def test_settings_are_of_all_datasets_or_of_one() -> None:
    settings = {"fit": "pad", "crop_scale": {"a": 0.8, "b": None}, "outside": "black"}
    assert choose_crops(settings, ["a", "b"]) == {"a": Crop("pad", 0.8, "black"), "b": Crop("pad", 1.0, "black")}
    assert choose_crops({**settings, "crop_scale": 2}, ["a", "b"])["b"] == Crop("pad", 2, "black")


def test_a_model_gives_what_the_settings_leave_open() -> None:
    trained = {"a": Crop("pad", 0.9, "black"), "b": Crop("pad", 0.7, "black")}
    assert choose_crops(OPEN, ["b"], trained) == {"b": trained["b"]}
    assert choose_crops(OPEN, ["new"], {"a": trained["a"]}) == {"new": trained["a"]}
    assert choose_crops({**OPEN, "crop_scale": 1.2}, ["new"], trained) == {"new": Crop("pad", 1.2, "black")}
    assert choose_crops({**OPEN, "fit": "crop"}, ["a"], trained) == {"a": Crop("crop", 0.9, "black")}
    with pytest.raises(AgeGenderError, match=r"data.crop_scale: required for new"):
        choose_crops(OPEN, ["new"], trained)


def test_an_unknown_dataset_and_a_wrong_value_are_named() -> None:
    with pytest.raises(AgeGenderError, match=r"data.crop_scale.c: there is no such dataset. Allowed: a, b"):
        choose_crops({**OPEN, "crop_scale": {"c": 1.0}}, ["a", "b"])
    with pytest.raises(AgeGenderError, match=r"data.crop_scale=wide: expected a number"):
        choose_crops({**OPEN, "crop_scale": {"a": "wide"}}, ["a"])


@pytest.mark.parametrize("crops", [{"a": Crop("pad", 0.8)}, {"a": Crop(scale=0.8), "b": Crop(scale=0.9)}])
def test_the_settings_of_crops_give_them_again(crops: dict[str, Crop]) -> None:
    assert choose_crops(crop_settings(crops), list(crops)) == crops


def test_each_face_has_the_region_of_its_dataset() -> None:
    faces = pd.DataFrame({"dataset": ["a", "b", "a"], "width": [10, 10, 8], "height": [10, 20, 8]})
    crops = {"a": Crop(), "b": Crop(scale=0.5)}
    square = parse_box("2.5 7.5 7.5 12.5")
    assert find_regions(faces, crops) == [None, square, None]
    boxed = faces.assign(box=["", "0 0 10 10", "2 2 4 4"])
    assert find_regions(boxed, crops) == [None, parse_box("2.5 2.5 7.5 7.5"), parse_box("2 2 4 4")]
