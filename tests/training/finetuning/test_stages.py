"""Fine-tuning methods: which weights train in which epoch, at which learning rates."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from agegender.configuration.build import build
from agegender.data.assemble import assemble
from agegender.errors import AgeGenderError
from agegender.models.backbones import TimmBackbone
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.training.assemble import assemble_module
from agegender.training.finetuning.freezing import Freezing
from agegender.training.finetuning.stages import Frozen, Gradual, TwoStage, check_freezing, ddp_strategy, last_layers


def test_learning_rates_and_weight_decay_of_each_epoch(epochs_of_a_run: tuple[str, list[Path]]) -> None:
    mode, copies = epochs_of_a_run
    groups = [
        {group["name"]: group for group in read_checkpoint(RunDirectory(copy).last)["optimizer_states"][0]["param_groups"]}
        for copy in copies
    ]
    bases = [{name: group.get("initial_lr", group["lr"]) for name, group in epoch.items()} for epoch in groups]
    decays = [{name: group["weight_decay"] for name, group in epoch.items()} for epoch in groups]
    if mode == "two_stage":  # cosine multiplies what each stage starts from
        for epoch in range(len(copies)):
            rate, decay = [(1e-3, 0.01), (3e-4, 1e-6)][epoch >= 2]
            assert bases[epoch] == pytest.approx({name: rate for name in bases[epoch]})
            assert decays[epoch] == {name: decay if name.endswith("/decay") else 0 for name in decays[epoch]}
        scales = [epoch["head/decay"]["lr"] / epoch["head/decay"]["initial_lr"] for epoch in groups]
        assert scales[-1] == pytest.approx(0, abs=1e-9) and all(a > b for a, b in itertools.pairwise(scales))
    elif mode == "two_stage one_cycle":
        tops = [epoch["head/decay"]["max_lr"] for epoch in groups]
        assert tops == pytest.approx([1e-3, 1e-5, 1e-5, 1e-5])
        assert all(epoch["head/decay"]["lr"] < 1e-5 for epoch in groups[1:])
    elif mode == "two_stage plateau":  # halved after each epoch, as none is better by as much as asked
        assert [epoch["head/decay"]["lr"] for epoch in groups] == pytest.approx([5e-4, 2.5e-4, 1.25e-6, 6.25e-7])
    else:  # the same from beginning to end
        rate, depth_decay = {"layer_decay": (1e-3, 0.75), "gradual layer_decay": (0.01, 0.5)}.get(mode, (1e-3, 1.0))
        parts = {
            "frozen": {},
            "gradual": {"backbone": rate},
        }.get(mode, {f"backbone/{i}": rate * depth_decay ** (3 - i) for i in range(3)})  # fmt: skip
        expected = {f"{part}/{kind}": r for part, r in {**parts, "head": rate}.items() for kind in ("decay", "no_decay")}
        for epoch in range(len(copies)):
            assert bases[epoch] == pytest.approx(expected)
            decay = 1e-4 if mode == "gradual layer_decay" else 0.01
            assert decays[epoch] == {name: decay if name.endswith("/decay") else 0 for name in expected}


def test_the_last_weight_layers_of_vgg16() -> None:
    """Simonyan & Zisserman's configuration D: the last four convolutions map 512 channels to 512."""
    with torch.device("meta"):
        backbone = TimmBackbone("vgg16", image_size=32)
    names = [name for group in backbone.depth_groups() for name in group]
    for count, size in ((3, 7_079_424), (4, 9_439_232), (13, 14_714_688)):
        assert sum(backbone.get_parameter(name).numel() for name in last_layers(backbone, names, count)) == size
    with pytest.raises(AgeGenderError, match="at most 13"):
        last_layers(backbone, names, 14)


def test_more_layers_than_the_backbone_has_are_an_error_before_any_face_is_read(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    config = configure("finetune=two_stage", "finetune.two_stage.layers=50", f"loader.cache_dir={tmp_path / 'cache'}")
    callbacks = build(config["finetune"], "callbacks")
    data = assemble(config)
    with pytest.raises(AgeGenderError, match=r"finetune\.two_stage\.layers=50: must be at most 2"):
        check_freezing(callbacks.values(), assemble_module(config, {}, {}), data)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("epochs", "counts"), [(1, [0, 1, 2, 3, 3]), (2, [0, 0, 1, 1, 2])])
def test_gradual_unfreezes_one_group_at_a_time(epochs: int, counts: list[int]) -> None:
    groups = [["a"], ["b", "c"], ["d"]]
    tops = [[], ["d"], ["b", "c", "d"], ["a", "b", "c", "d"]]
    gradual = Gradual(epochs)
    assert [gradual.trainable_names(None, groups, epoch) for epoch in range(5)] == [tops[count] for count in counts]  # type: ignore[arg-type]
    assert gradual.trainable_names(None, groups, math.inf) == tops[3]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(TwoStage, {"epochs": -1}), (TwoStage, {"layers": 0}), (TwoStage, {"lr": 0.0}), (TwoStage, {"weight_decay": -1.0}),
     (TwoStage, {"views": -1}), (Gradual, {"epochs": 0}), (Frozen, {"views": -1})],
)  # fmt: skip
def test_values_out_of_range_are_an_error_that_names_the_key(kind: type[Freezing], arguments: dict[str, Any]) -> None:
    (key,) = arguments
    with pytest.raises(AgeGenderError, match=rf"^{kind.key}\.{key}={arguments[key]}: must be "):
        kind(**arguments)


def test_distributed_training_gets_a_strategy_for_weights_that_train_later() -> None:
    assert ddp_strategy("ddp", [Gradual()]) == "ddp_find_unused_parameters_true"
    assert ddp_strategy("ddp", []) == "ddp"
    assert ddp_strategy("auto", [Gradual()]) == "auto"
