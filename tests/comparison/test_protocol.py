"""The protocol of a paper is compared with that of the run."""

from collections.abc import Callable
from pathlib import Path

from agegender.comparison.discovery import read
from agegender.comparison.protocol import beside


def test_items_agree_differ_or_are_not_said(write_run: Callable[..., Path]) -> None:
    run = read(write_run("a", [1.0] * 10))
    theirs = {
        "data": ["utkface"], "fractions": [0.83, 0.08, 0.08], "n": {"train": 100, "test": 3556}, "image_size": 224, "epochs": 5,
        "batch_size": None, "notes": ["subset unpublished"],
    }  # fmt: skip
    found = beside({"protocol": theirs}, run)
    assert found.same == ["data utkface", "fractions 83/8/8", "n train 100", "epochs 5"]
    assert found.differs == ["n test 3,556, ours 10", "image_size 224, ours 64"]
    assert found.unsaid == ["batch_size", "age_range"]
    assert found.notes == ["subset unpublished"]
    assert found.mark == "≠"


def test_marks(write_run: Callable[..., Path]) -> None:
    run = read(write_run("a", [1.0] * 10, trainer={"max_epochs": 5, "devices": 2, "accumulate_grad_batches": 3}))
    assert beside({"protocol": None}, run).mark == "?"
    everything = {
        "data": ["utkface"], "fractions": [100 / 120, 10 / 120, 10 / 120], "n": {"train": 100, "val": 10, "test": 10},
        "image_size": 64, "epochs": 5, "batch_size": 192, "age_range": [0, 116],
    }  # fmt: skip
    assert beside({"protocol": everything}, run).mark == "="
    assert beside({"protocol": {**everything, "fractions": [0.7, 0.15, 0.15]}}, run).differs == [
        "fractions 70/15/15, ours 83/8/8"
    ]


def test_a_different_backbone_is_named_by_its_name_or_class(write_run: Callable[..., Path]) -> None:
    timm = {"_target_": "agegender.models.backbones.TimmBackbone", "name": "mobilenetv1_100"}
    small = {"_target_": "agegender.models.custom_cnn.CustomCNN", "widths": [4]}
    named, own = (read(write_run(place, [1.0], backbone=one)) for place, one in {"a": timm, "b": small}.items())
    assert beside({"protocol": {"backbone": "vgg16"}}, named).differs == ["backbone vgg16, ours mobilenetv1_100"]
    assert beside({"protocol": {"backbone": "CustomCNN"}}, own).same == ["backbone CustomCNN"]
    assert "backbone" not in beside({"protocol": None}, named).unsaid  # the experiment has not recorded it
