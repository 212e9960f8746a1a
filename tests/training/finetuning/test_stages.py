"""Fine-tuning: what trains when, at which rates, and that a run resumed at any epoch is the run that never stopped."""

import itertools
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from agegender.configuration.build import build
from agegender.configuration.command import compose
from agegender.configuration.resume import continued
from agegender.configuration.schema import validate
from agegender.data.assemble import assemble
from agegender.errors import AgeGenderError
from agegender.models.backbones import TimmBackbone
from agegender.models.network import Network
from agegender.runs.run_directory import RunDirectory
from agegender.train import _new_module, train
from agegender.training.checkpoints import EpochCheckpoint
from agegender.training.finetuning.freezing import Freezing, _set_modes
from agegender.training.finetuning.stages import Frozen, Gradual, TwoStage, ddp_strategy, last_layers, plan
from agegender.training.module import read_checkpoint
from agegender.training.optimizers import AdamW

MODES = {
    "frozen": ["finetune=frozen", "trainer.accumulate_grad_batches=2"],
    "two_stage": [
        "finetune=two_stage", "finetune.two_stage.epochs=2", "finetune.two_stage.layers=1", "finetune.two_stage.lr=0.0003",
    ],
    "two_stage one_cycle": [
        "finetune=two_stage", "finetune.two_stage.epochs=1", "finetune.two_stage.layers=null", "schedule=one_cycle",
    ],
    "two_stage plateau": [
        "finetune=two_stage", "finetune.two_stage.epochs=2", "schedule=plateau", "schedule.patience=0", "schedule.threshold=10",
        "finetune.two_stage.layers=2",
    ],
    "gradual": ["finetune=gradual", "trainer.gradient_clip_val=0.5"],
    "gradual layer_decay": ["finetune=gradual", "optimizer.layer_decay=0.5", "optimizer=sgd", "optimizer.lr=0.01"],
    "layer_decay": ["finetune=layer_decay"],
}  # fmt: skip
EPOCHS = 4


@pytest.fixture(scope="module", params=MODES)
def history(request: pytest.FixtureRequest, faces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Path]]:
    """A mode, and the run directory as it was after each epoch of a run that never stopped."""
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "_"))
    config = compose([
        "data=utkface", f"data.root={faces}", "image_size=16", "backbone.widths=[4,8,8]", "loader.batch_size=8",
        f"trainer.max_epochs={EPOCHS}", "callbacks=ema", "callbacks.ema.decay=0.8", "balance=uncertainty", "trunk=dropout",
        "test=false", "logger=none", *MODES[request.param],
    ])  # fmt: skip
    validate(config)
    save, copies = EpochCheckpoint.on_train_epoch_end, []

    def save_and_copy(self: EpochCheckpoint, trainer: Any, module: Any) -> None:
        save(self, trainer, module)
        copies.append(Path(shutil.copytree(folder / "run", folder / f"after{trainer.current_epoch + 1}")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochCheckpoint, "on_train_epoch_end", save_and_copy)
        train(config, RunDirectory(folder / "run"))
    assert len(copies) == EPOCHS
    return request.param, copies


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


def test_resumed_at_any_epoch_it_is_the_run_that_never_stopped(history: tuple[str, list[Path]], tmp_path: Path) -> None:
    _, copies = history
    whole = read_checkpoint(RunDirectory(copies[-1]).last)
    for done in range(1, EPOCHS):
        run = RunDirectory(shutil.copytree(copies[done - 1], tmp_path / str(done)))
        assert read_checkpoint(run.last)["epoch"] == done - 1
        train(continued(run.read_config(), [], run.path), run, resuming=True)
        resumed = read_checkpoint(run.last)
        for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "epoch"):
            assert_same(whole[key], resumed[key], f"resumed after {done}: {key}")


def test_only_what_trains_in_an_epoch_moves_and_statistics_with_it(history: tuple[str, list[Path]]) -> None:
    mode, copies = history
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


def test_the_rates_of_each_epoch(history: tuple[str, list[Path]]) -> None:
    mode, copies = history
    groups = [
        {group["name"]: group for group in read_checkpoint(RunDirectory(copy).last)["optimizer_states"][0]["param_groups"]}
        for copy in copies
    ]
    bases = [{name: group.get("initial_lr", group["lr"]) for name, group in epoch.items()} for epoch in groups]
    decays = [{name: group["weight_decay"] for name, group in epoch.items()} for epoch in groups]
    if mode == "two_stage":  # cosine multiplies what each stage starts from
        for epoch in range(EPOCHS):
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
        for epoch in range(EPOCHS):
            assert bases[epoch] == pytest.approx(expected)
            decay = 1e-4 if mode == "gradual layer_decay" else 0.01
            assert decays[epoch] == {name: decay if name.endswith("/decay") else 0 for name in expected}


def test_frozen_weights_have_no_optimizer_state_until_they_train(history: tuple[str, list[Path]]) -> None:
    """A block of the backbone is a convolution and a norm of two parameters; the rest is ten parameters."""
    mode, copies = history
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


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_resnet"])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_layer_decay_is_that_of_timm(name: str, scale: float) -> None:
    backbone = TimmBackbone(name, image_size=32)
    model = Network(backbone, "avg", [], {}, {"age": nn.LazyLinear(3)}, 32)
    optimizer = AdamW(lr=0.02, backbone_lr_scale=scale, layer_decay=0.7).build(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    ours = {names[id(p)]: (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    reference = timm.create_model(name, num_classes=3, **({"img_size": 32} if "vit" in name else {}))
    spared = reference.no_weight_decay() if "vit" in name else ()
    listed = {id(parameter): name for name, parameter in reference.named_parameters()}
    theirs = {
        listed[id(p)]: (g["lr_scale"], g["weight_decay"])
        for g in param_groups_layer_decay(reference, 0.01, spared, layer_decay=0.7)
        for p in g["params"]
    }
    compared = 0
    for key, (rate, decay) in ours.items():
        if key.startswith("backbone.net."):
            compared += 1
            expected = theirs[key.removeprefix("backbone.net.")]
            assert (rate, decay) == (pytest.approx(0.02 * scale * expected[0]), pytest.approx(expected[1])), key
        else:
            assert rate == 0.02
    assert compared == len(list(backbone.parameters())) > 10
    assert len({scale for scale, _ in theirs.values()}) > 3


def test_the_last_weight_layers_of_vgg16() -> None:
    """Simonyan & Zisserman's configuration D: the last four convolutions map 512 channels to 512."""
    with torch.device("meta"):
        backbone = TimmBackbone("vgg16", image_size=32)
    names = [name for group in backbone.depth_groups() for name in group]
    for count, size in ((3, 7_079_424), (4, 9_439_232), (13, 14_714_688)):
        assert sum(backbone.get_parameter(name).numel() for name in last_layers(backbone, names, count)) == size
    with pytest.raises(AgeGenderError, match="at most 13"):
        last_layers(backbone, names, 14)


def test_layers_that_the_backbone_lacks_are_refused_before_any_face_is_read(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    config = configure("finetune=two_stage", "finetune.two_stage.layers=50", f"loader.cache_dir={tmp_path / 'cache'}")
    callbacks = build(config["finetune"], "callbacks")
    data = assemble(config)
    with pytest.raises(AgeGenderError, match=r"finetune\.two_stage\.layers=50: must be at most 2"):
        plan(callbacks.values(), _new_module(config, data), data)
    assert not (tmp_path / "cache").exists()


def test_layers_behind_an_unused_pooling_are_neither_counted_nor_thawed(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """MobileNetV3's conv_head comes after its pooling, so with pool=flatten the last layer is in the last block."""
    config = configure(
        "backbone=mobilenetv3", "backbone.name=mobilenetv3_small_050", "backbone.pretrained=false", "pool=flatten",
        "image_size=32", "finetune=two_stage", "finetune.two_stage.epochs=0", "finetune.two_stage.layers=1", tiny=False,
    )  # fmt: skip
    data = assemble(config)
    module, (callback,) = _new_module(config, data), build(config["finetune"], "callbacks").values()
    callback.setup(SimpleNamespace(datamodule=data), module, "fit")
    backbone = module.network.backbone
    trainable = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    assert trainable and all(name.startswith("net.blocks.5") for name in trainable)
    kinds = [type(backbone.get_submodule(name.removesuffix(".weight"))) for name in trainable if name.endswith(".weight")]
    assert kinds.count(nn.Conv2d) == 1


def test_frozen_modules_are_in_evaluation_mode_and_dropout_goes_with_what_holds_it() -> None:
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


@pytest.mark.parametrize(("epochs", "counts"), [(1, [0, 1, 2, 3, 3]), (2, [0, 0, 1, 1, 2])])
def test_gradual_thaws_a_group_every_so_many_epochs(epochs: int, counts: list[int]) -> None:
    groups = [["a"], ["b", "c"], ["d"]]
    tops = [[], ["d"], ["b", "c", "d"], ["a", "b", "c", "d"]]
    gradual = Gradual(epochs)
    assert [gradual.training(None, groups, epoch) for epoch in range(5)] == [tops[count] for count in counts]  # type: ignore[arg-type]
    assert gradual.training(None, groups, math.inf) == tops[3]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(TwoStage, {"epochs": -1}), (TwoStage, {"layers": 0}), (TwoStage, {"lr": 0.0}), (TwoStage, {"weight_decay": -1.0}),
     (TwoStage, {"views": -1}), (Gradual, {"epochs": 0}), (Frozen, {"views": -1})],
)  # fmt: skip
def test_impossible_values_are_one_line(kind: type[Freezing], arguments: dict[str, Any]) -> None:
    (key,) = arguments
    with pytest.raises(AgeGenderError, match=rf"^{kind.key}\.{key}={arguments[key]}: must be "):
        kind(**arguments)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["finetune=two_stage", "finetune.two_stage.layers=1"], r"two_stage.epochs=10: nothing of the backbone will train.*=2"),
        (["finetune=gradual", "finetune.gradual.epochs=2"], r"gradual.epochs=2: nothing of the backbone will train.*=2"),
        (["finetune=gradual"], "ended after epoch 2; more of the backbone would have trained from epoch 3 on"),
        (["finetune=gradual", "trainer.max_epochs=3"], ""),
        (["finetune=frozen"], ""),
    ],
)
def test_stages_that_never_come_are_said(
    overrides: list[str], said: str, configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    train(configure("test=false", *overrides), RunDirectory(tmp_path))
    text = (tmp_path / "log.txt").read_text()
    assert re.search(said, text)
    assert said or ("will train" not in text and "would have trained" not in text)


NEVER_BETTER = ["callbacks.early_stopping.patience=2", "+callbacks.early_stopping.min_delta=1000", "trainer.max_epochs=6",
                "test=false", "augment=none", "finetune=two_stage", "finetune.two_stage.layers=1"]  # fmt: skip


def test_patience_is_with_a_stage(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
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


def test_stopping_before_the_last_stage_is_said(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    train(configure(*NEVER_BETTER, "finetune.two_stage.epochs=5"), run)
    assert read_checkpoint(run.last)["epoch"] == 2
    text = (tmp_path / "log.txt").read_text()
    assert "WARNING finetune.two_stage: the run ended after epoch 3, stopped early; more of the backbone would have" in text
    assert "from epoch 6 on" in text


def test_the_patience_of_a_plateau_is_with_a_stage(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """Epochs 1 and 2 are bad, then 3 and 4 of the second stage: a third one in a row never comes."""
    schedule = ["schedule=plateau", "schedule.patience=2", "schedule.threshold=10"]
    config = configure(
        "finetune=two_stage", "finetune.two_stage.epochs=2", "finetune.two_stage.layers=1", "finetune.two_stage.lr=0.0003",
        "trainer.max_epochs=4", "test=false", *schedule,
    )  # fmt: skip
    train(config, RunDirectory(tmp_path))
    groups = read_checkpoint(RunDirectory(tmp_path).last)["optimizer_states"][0]["param_groups"]
    assert [group["lr"] for group in groups] == pytest.approx([3e-4] * len(groups))


def test_a_frozen_backbone_that_has_learned_nothing_is_said(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    config = configure("finetune=frozen", "test=false", "trainer.max_epochs=1")
    run = RunDirectory(tmp_path)
    train(config, run)
    train(continued(run.read_config(), ["trainer.max_epochs=2"], run.path), run, resuming=True)
    assert (tmp_path / "log.txt").read_text().count("its weights are random") == 1
    file = tmp_path / "weights.pt"
    torch.save(timm.create_model("test_resnet", num_classes=0).state_dict(), file)
    base = ["backbone=resnet50", "backbone.name=test_resnet", "image_size=32"]
    for overrides, random in (([], True), ([f"backbone.weights={file}"], False)):
        config = configure(*base, *overrides, tiny=False)
        assert _new_module(config, assemble(config)).random_backbone == random


def test_distributed_training_is_told_of_weights_that_thaw() -> None:
    assert ddp_strategy("ddp", [Gradual()]) == "ddp_find_unused_parameters_true"
    assert ddp_strategy("ddp", []) == "ddp"
    assert ddp_strategy("auto", [Gradual()]) == "auto"
