"""Freezing: frozen weights do not move, a run resumed at any epoch is exact, and patience starts anew in each stage."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from torch import nn

from agegender.configuration.build import build
from agegender.configuration.resume import continued
from agegender.data.assemble import assemble
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.assemble import assemble_module
from agegender.training.finetuning.freezing import _set_modes


def assert_same(first: Any, second: Any, path: str = "") -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            assert_same(first[key], second[key], f"{path}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), path
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same(one, other, f"{path}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), path
    else:
        assert first == second, path


def test_a_run_resumed_at_any_epoch_equals_one_without_interruption(
    epochs_of_a_run: tuple[str, list[Path]], tmp_path: Path
) -> None:
    _, copies = epochs_of_a_run
    whole = read_checkpoint(RunDirectory(copies[-1]).last)
    for done in range(1, len(copies)):
        run = RunDirectory(shutil.copytree(copies[done - 1], tmp_path / str(done)))
        assert read_checkpoint(run.last)["epoch"] == done - 1
        train(continued(run.read_config(), [], run.path), run, resuming=True)
        resumed = read_checkpoint(run.last)
        for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "epoch"):
            assert_same(whole[key], resumed[key], f"resumed after {done}: {key}")


def test_only_trainable_weights_and_their_statistics_move(epochs_of_a_run: tuple[str, list[Path]]) -> None:
    mode, copies = epochs_of_a_run
    states = [read_checkpoint(RunDirectory(copy).last)["current_model_state"] for copy in copies]
    averages = [read_checkpoint(RunDirectory(copy).last)["state_dict"] for copy in copies]
    blocks = {  # of three, counted from the end, in the epochs after the first
        "frozen": [0, 0, 0], "two_stage": [0, 1, 1], "two_stage one_cycle": [3, 3, 3], "two_stage plateau": [0, 2, 2],
        "gradual": [1, 2, 3], "gradual layer_decay": [1, 2, 3], "layer_decay": [3, 3, 3],
    }[mode]  # fmt: skip
    for kind in (states, averages):
        for epoch, moving in enumerate(blocks, start=1):
            for name, value in kind[epoch].items():
                backbone = name.startswith("network.backbone.blocks.")
                expected = int(name.split(".")[3]) >= 3 - moving if backbone else name.startswith(("network", "balance"))
                if "metrics" not in name and "losses" not in name:
                    assert torch.equal(value, kind[epoch - 1][name]) != expected, (epoch, name)


def test_frozen_weights_have_no_optimizer_state_until_they_train(epochs_of_a_run: tuple[str, list[Path]]) -> None:
    """A block of the backbone is a convolution and a norm of two parameters; the rest is ten parameters."""
    mode, copies = epochs_of_a_run
    blocks = {
        "frozen": [0, 0, 0, 0], "two_stage": [0, 0, 1, 1], "two_stage one_cycle": [0, 3, 3, 3],
        "two_stage plateau": [0, 0, 2, 2], "gradual": [0, 1, 2, 3], "gradual layer_decay": [0, 1, 2, 3],
        "layer_decay": [3, 3, 3, 3],
    }[mode]  # fmt: skip
    checkpoints = [read_checkpoint(RunDirectory(copy).last) for copy in copies]
    model = checkpoints[0]["current_model_state"]
    rest = sum(name.startswith(("network.heads.", "network.trunk.", "balance.")) for name in model)
    assert rest > 3
    assert [len(one["optimizer_states"][0]["state"]) for one in checkpoints] == [rest + 3 * count for count in blocks]


def test_layers_after_an_unused_pooling_are_neither_counted_nor_trained(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """MobileNetV3's conv_head comes after its pooling, so with pool=flatten the last layer is in the last block."""
    config = configure(
        "backbone=mobilenetv3", "backbone.name=mobilenetv3_small_050", "backbone.pretrained=false", "pool=flatten",
        "image_size=32", "finetune=two_stage", "finetune.two_stage.epochs=0", "finetune.two_stage.layers=1", tiny=False,
    )  # fmt: skip
    data = assemble(config)
    module, (callback,) = assemble_module(config, {}, {}), build(config["finetune"], "callbacks").values()
    callback.setup(SimpleNamespace(datamodule=data), module, "fit")
    backbone = module.network.backbone
    trainable = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    assert trainable and all(name.startswith("net.blocks.5") for name in trainable)
    kinds = [type(backbone.get_submodule(name.removesuffix(".weight"))) for name in trainable if name.endswith(".weight")]
    assert kinds.count(nn.Conv2d) == 1


def test_frozen_modules_are_in_evaluation_mode_and_dropout_follows_its_parent() -> None:
    def block() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, affine=False), nn.BatchNorm2d(1), nn.Dropout())

    backbone = nn.Sequential(block(), block())
    backbone[0].requires_grad_(False)
    backbone[1][0].requires_grad_(False)
    _set_modes(backbone.train(), True)
    assert [module.training for module in backbone[0]] == [False] * 4
    assert [module.training for module in backbone[1]] == [False, True, True, True]
    backbone.requires_grad_(True)
    _set_modes(backbone, True)
    assert all(module.training for module in backbone.modules())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["finetune=two_stage", "finetune.two_stage.layers=1"],
            r"two_stage.epochs=10: no weight of the backbone will train.*=2",
        ),
        (["finetune=gradual", "finetune.gradual.epochs=2"], r"gradual.epochs=2: no weight of the backbone will train.*=2"),
        (["finetune=gradual"], "ended after epoch 2; more of the backbone would have trained from epoch 3 on"),
        (["finetune=gradual", "trainer.max_epochs=3"], ""),
        (["finetune=frozen"], ""),
    ],
)
def test_stages_that_the_run_does_not_reach_are_logged(
    overrides: list[str], said: str, configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    train(configure("test=false", *overrides), RunDirectory(tmp_path))
    text = (tmp_path / "log.txt").read_text()
    assert re.search(said, text)
    assert said or ("will train" not in text and "would have trained" not in text)


NEVER_BETTER = ["callbacks.early_stopping.patience=2", "+callbacks.early_stopping.min_delta=1000", "trainer.max_epochs=6",
                "test=false", "augment=none", "finetune=two_stage", "finetune.two_stage.layers=1"]  # fmt: skip


def test_early_stopping_starts_to_count_anew_in_each_stage(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """The first epoch counts as better than none. Two in the first stage, two in the second: four, also when resumed."""
    config = configure(*NEVER_BETTER, "finetune.two_stage.epochs=2", "schedule=constant")
    train(config, RunDirectory(tmp_path / "whole"))
    halves = RunDirectory(tmp_path / "halves")
    train({**config, "trainer": {**config["trainer"], "max_epochs": 2}}, halves)
    train(continued(halves.read_config(), ["trainer.max_epochs=6"], halves.path), halves, resuming=True)
    whole, resumed = read_checkpoint(RunDirectory(tmp_path / "whole").last), read_checkpoint(halves.last)
    assert whole["epoch"] == 3
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "epoch"):
        assert_same(whole[key], resumed[key], key)
    (stopping,) = (key for key in whole["callbacks"] if key.startswith("EarlyStopping"))
    assert_same(whole["callbacks"][stopping], resumed["callbacks"][stopping])
    assert "would have trained" not in (tmp_path / "whole" / "log.txt").read_text()


def test_early_stopping_before_the_last_stage_is_a_warning(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    train(configure(*NEVER_BETTER, "finetune.two_stage.epochs=5"), run)
    assert read_checkpoint(run.last)["epoch"] == 2
    text = (tmp_path / "log.txt").read_text()
    assert "WARNING finetune.two_stage: the run ended after epoch 3, stopped early; more of the backbone would have" in text
    assert "from epoch 6 on" in text


def test_a_plateau_schedule_starts_to_count_anew_in_each_stage(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Epochs 1 and 2 are bad, then 3 and 4 of the second stage: a third one in a row never comes."""
    schedule = ["schedule=plateau", "schedule.patience=2", "schedule.threshold=10"]
    config = configure(
        "finetune=two_stage", "finetune.two_stage.epochs=2", "finetune.two_stage.layers=1", "finetune.two_stage.lr=0.0003",
        "trainer.max_epochs=4", "test=false", *schedule,
    )  # fmt: skip
    train(config, RunDirectory(tmp_path))
    groups = read_checkpoint(RunDirectory(tmp_path).last)["optimizer_states"][0]["param_groups"]
    assert [group["lr"] for group in groups] == pytest.approx([3e-4] * len(groups))


def test_freezing_random_weights_is_a_warning(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    config = configure("finetune=frozen", "test=false", "trainer.max_epochs=1")
    run = RunDirectory(tmp_path)
    train(config, run)
    train(continued(run.read_config(), ["trainer.max_epochs=2"], run.path), run, resuming=True)
    assert (tmp_path / "log.txt").read_text().count("a backbone with random weights") == 1
    file = tmp_path / "weights.pt"
    torch.save(timm.create_model("test_resnet", num_classes=0).state_dict(), file)
    base = ["backbone=resnet50", "backbone.name=test_resnet", "image_size=32"]
    for overrides, random in (([], True), ([f"backbone.weights={file}"], False)):
        config = configure(*base, *overrides, tiny=False)
        assert assemble_module(config, {}, {}).random_backbone == random
