"""Every paper's system: what its file says composes, is the net the paper describes, and trains."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from torch import nn

from agegender.build import build
from agegender.config import CONF, compose, validate
from agegender.train import train
from agegender.training.module import AgeGenderModule
from agegender.training.run import RunDirectory

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
# The groups of one-layer dropout, in order from the image
DROPOUTS = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout)


def configure(name: str, *overrides: str) -> dict[str, Any]:
    """An experiment as a person without any pretrained weights would run it."""
    own = ["data.root=/faces", "data.pretrained=false"]
    own += ["backbone.weights=null"] if "vggface" in name else []
    return compose([f"experiment={name}", *own, *overrides])


def module_of(config: dict[str, Any]) -> AgeGenderModule:
    parts = ("backbone", "pool", "trunk", "tower", "head", "gender_head", "image_size")
    keys = ("tasks", "balance", "optimizer", "schedule", "monitor", "seed")
    return AgeGenderModule({key: config[key] for key in parts}, **{key: config[key] for key in keys}, about={})


def started(config: dict[str, Any]) -> tuple[AgeGenderModule, list[Any], Any]:
    """The module, its finetune callbacks and a stand-in of the Trainer, as training begins."""
    module, callbacks = module_of(config), list(build(config["finetune"], "callbacks").values())
    trainer = SimpleNamespace(max_epochs=config["trainer"]["max_epochs"], current_epoch=0, lr_scheduler_configs=[])
    for callback in callbacks:
        callback.setup(trainer, module, "fit")
    trainer.optimizers = [module.optimizer.build(module)]
    return module, callbacks, trainer


def trainable(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def dropouts(layers: nn.Module) -> list[tuple[str, float]]:
    return [(type(layer).__name__, layer.p) for layer in layers.modules() if isinstance(layer, DROPOUTS)]


def kinds(layers: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in layers]


def linear(*sizes: int) -> int:
    return sum(i * o + o for i, o in pairwise(sizes))


def separable(channels_in: int, channels_out: int) -> int:
    return 9 * channels_in + channels_in * channels_out + channels_out


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_is_valid_names_itself_and_its_paper_and_has_its_age_loss_in_years(name: str) -> None:
    config = configure(name)
    validate(config)
    assert config["name"] == name
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    assert text.startswith("# @package _global_\n# ")
    if "age" in config["tasks"] and config["head"]["_target_"].endswith(".Regression"):
        assert config["head"]["target"] == "years"


def test_all_systems_and_variants_are_there() -> None:
    assert set(EXPERIMENTS) >= {
        "effb0_multitask", "effb0_multitask_mse", "effb0_age_only", "effb0_gender_only",
        "separable_cnn", "vgg16_vggface_gender", "vgg16_vggface_age", "resnet50_vggface2_gender", "resnet50_vggface2_age",
        "effb2_multitask", "effb2_uncertainty", "effb2_dldl", "mobilenetv3_multitask", "vit_b16_multitask",
        "custom_cnn_128", "custom_cnn_128_gap", "vgg16_two_stage", "vgg16_two_stage_keras_layers",
        "age4_mobilenetv2", "age4_resnet50", "age4_efficientnet_b0",
    }  # fmt: skip


@pytest.fixture
def miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm's own miniature stands in for architectures too large for a whole run."""
    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: real("test_efficientnet", num_classes=0))


@pytest.mark.usefixtures("miniature")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_trains_and_is_tested(name: str, faces: Path, tmp_path: Path) -> None:
    stages = ["trainer.max_epochs=2", "finetune.two_stage.epochs=1"] if "two_stage" in name else ["trainer.max_epochs=1"]
    subset = ["split.subset=40"] if configure(name)["split"]["subset"] else []
    size = 128 if configure(name)["pool"] == "none" else 32
    small = [f"image_size={size}", "loader.batch_size=8", "trainer.limit_train_batches=1", "logger=none"]
    config = configure(name, f"data.root={faces}", *small, *stages, *subset)
    validate(config)
    run = RunDirectory(tmp_path)
    train(config, run)
    metrics = json.loads(run.metrics.read_text())
    tested = metrics[metrics["split"]["part"]]
    assert set(config["tasks"]) <= set(tested) and tested["n"] > 0
    assert metrics["split"]["part"] == ("test" if config["split"]["fractions"][2] else "val")
    assert not subset or sum(metrics[part]["n"] for part in ("train", "val")) == 40
    assert (tmp_path / "layers.txt").read_text().startswith("layer")
    if name.startswith("age4"):
        assert tested["age"]["classes"]["names"] == ["0-25", "26-50", "51-75", "76+"]
        assert "val/age_class_accuracy" in (tmp_path / "history.csv").read_text()
        assert 0 <= metrics["train"]["age"]["class_accuracy"] <= 1


def test_effb0_is_one_backbone_with_keras_batch_norm_dropout_and_two_linear_heads() -> None:
    config = configure("effb0_multitask")
    network = module_of(config).network
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) > 40 and {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}
    assert kinds(network.trunk) == ["Dropout"] and dropouts(network.trunk) == [("Dropout", 0.3)]
    assert {task: head.layer.weight.shape for task, head in network.heads.items()} == {"age": (1, 1280), "gender": (1, 1280)}
    assert sum(p.numel() for p in network.parameters()) == 4_007_548 + 2 * linear(1280, 1)
    assert (config["balance"]["age"], config["balance"]["gender"]) == (0.1, 1.0)
    optimizer = config["optimizer"]
    assert (optimizer["lr"], config["loader"]["batch_size"], config["trainer"]["max_epochs"]) == (1e-4, 16, 30)
    assert configure("effb0_multitask_mse")["head"]["loss"] == "mse" and config["head"]["loss"] == "l1"
    assert configure("effb0_age_only")["tasks"] == ["age"] and configure("effb0_gender_only")["tasks"] == ["gender"]


def test_separable_cnn_has_the_papers_sizes_and_parameters() -> None:
    network = module_of(configure("separable_cnn")).network
    sizes: list[tuple[int, ...]] = []
    for layer in network.modules():
        if isinstance(layer, nn.MaxPool2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    years = network(torch.zeros(1, 3, 180, 180, dtype=torch.uint8))["age"]
    assert sizes == [(64, 90, 90), (128, 45, 45), (128, 22, 22), (256, 11, 11), (256, 5, 5)]
    assert network.trunk[0].in_features == 6400
    assert [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)] == [128, 64, 32, 1]
    assert kinds(network.trunk) == ["Linear", "ReLU"] * 3
    assert trainable(network) == 958_812
    network.heads["age"].layer.bias.data.fill_(-1000)
    assert years.item() > 0 and network(torch.zeros(1, 3, 180, 180, dtype=torch.uint8))["age"].item() == 0


@pytest.mark.parametrize("filters", [312, 512])
def test_vgg16_features_for_gender(filters: int) -> None:
    module, _, _ = started(configure("vgg16_vggface_gender" + ("_512" if filters == 512 else "")))
    network = module.network
    block = ["BatchNorm2d", "Dropout2d", "SeparableConv2d", "MaxPool2d"]
    assert kinds(network.trunk) == [*block, *block, "Flatten", "BatchNorm1d", "AlphaDropout", "Linear", "ReLU"]
    assert dropouts(network.trunk) == [("Dropout2d", 0.5), ("Dropout2d", 0.5), ("AlphaDropout", 0.5)]
    blocks = 2 * 512 + separable(512, filters) + 2 * filters + separable(filters, filters)
    assert trainable(network) == blocks + 2 * filters + linear(filters, 128, 1)
    assert not any(parameter.requires_grad for parameter in network.backbone.parameters())
    assert sum(parameter.numel() for parameter in network.backbone.parameters()) == 14_714_688


@pytest.mark.parametrize("filters", [312, 512])
def test_vgg16_features_for_age(filters: int) -> None:
    module, _, _ = started(configure("vgg16_vggface_age" + ("_512" if filters == 512 else "")))
    network = module.network
    block = ["BatchNorm2d", "Dropout2d", "SeparableConv2d", "ReLU", "MaxPool2d"]
    assert kinds(network.trunk) == [*block, *block, "Flatten", *["Linear", "ReLU", "Dropout"] * 3]
    keep = [("Dropout2d", 0.8), ("Dropout2d", 0.6), ("Dropout", 0.2), ("Dropout", 0.2), ("Dropout", 1.0)]
    assert dropouts(network.trunk) == [(kind, pytest.approx(1 - share)) for kind, share in keep]
    blocks = 2 * 512 + separable(512, filters) + 2 * filters + separable(filters, filters)
    assert trainable(network) == blocks + linear(filters, 648, 312, 128, 1)


@pytest.mark.parametrize("task", ["gender", "age"])
def test_resnet50_features(task: str) -> None:
    module, _, _ = started(configure(f"resnet50_vggface2_{task}"))
    network = module.network
    assert kinds(network.trunk) == ["BatchNorm1d", "Dropout", "Linear", "ELU"] and list(network.heads) == [task]
    assert dropouts(network.trunk) == [("Dropout", 0.5)]
    assert trainable(network) == 2 * 2048 + linear(2048, 128, 1)


def test_face_recognition_weights_are_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agegender.train", "experiment=vgg16_vggface_gender", "data.root=/faces"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(CONF.parent)})
    assert result.returncode == 2 and "backbone.weights: must be given" in result.stderr


def test_another_face_recognition_net_takes_the_place_of_resnet50(shared: Path, faces: Path, tmp_path: Path) -> None:
    file = shared / "weights" / "mobilenetv1_100_vggface2.safetensors"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    other = ["backbone=mobilenetv1", "backbone.pad_type=same", f"backbone.weights={file}", f"data.root={faces}"]
    other += ["backbone.mean=[0.485,0.456,0.406]", "backbone.std=[0.229,0.224,0.225]"]
    small = ["image_size=32", "loader.batch_size=8", "trainer.limit_train_batches=1", "trainer.max_epochs=1", "logger=none"]
    config = compose(["experiment=resnet50_vggface2_gender", *other, *small])
    validate(config)
    train(config, RunDirectory(tmp_path))
    trained = AgeGenderModule.load_from_checkpoint(tmp_path / "checkpoints/last.ckpt").network.backbone
    fresh = module_of(config).network.backbone
    assert trained.mean == [0.485, 0.456, 0.406] and trained.std == [0.229, 0.224, 0.225]
    assert all(torch.equal(one, other) for one, other in zip(trained.parameters(), fresh.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "features"), [("effb2_multitask", 1408), ("mobilenetv3_multitask", 1280), ("vit_b16_multitask", 768)]
)
def test_the_production_design_is_one_hidden_layer_under_two_heads(name: str, features: int) -> None:
    config = configure(name)
    network = module_of(config).network
    assert kinds(network.trunk) == ["Linear", "GELU", "Dropout"] and dropouts(network.trunk) == [("Dropout", 0.3)]
    head = trainable(network) - trainable(network.backbone)
    assert head == linear(features, 512) + linear(512, 1) + linear(512, 2)
    assert (config["balance"]["age"], config["balance"]["gender"]) == (1.0, 0.5)
    assert config["augment"]["_target_"].endswith(".Standard")


def test_its_variants_change_one_part() -> None:
    base, learned, distribution = (configure(f"effb2_{name}") for name in ("multitask", "uncertainty", "dldl"))
    other = ("name", "paper", "balance", "head")
    for variant in (learned, distribution):
        assert {k: v for k, v in variant.items() if k not in other} == {k: v for k, v in base.items() if k not in other}
    assert learned["balance"]["_target_"].endswith(".Uncertainty") and learned["head"] == base["head"]
    assert distribution["head"]["_target_"].endswith(".DLDL") and distribution["balance"] == base["balance"]


@pytest.mark.parametrize(("name", "flat"), [("custom_cnn_128", 8 * 8 * 256), ("custom_cnn_128_gap", 256)])
def test_custom_cnn_128(name: str, flat: int) -> None:
    config = configure(name)
    network = module_of(config).network
    convolutions = sum(9 * i * o + 2 * o for i, o in ((3, 32), (32, 64), (64, 128), (128, 256)))
    assert trainable(network) == convolutions + flat * 512 + 2 * 512 + 2 * (linear(512, 256) + linear(256, 1))
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(norms) == 5 and {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}
    assert {layer.bias for layer in network.modules() if isinstance(layer, nn.Conv2d)} == {None}
    assert kinds(network.trunk) == ["Linear", "BatchNorm1d", "ReLU"]
    assert {task: dropouts(tower) for task, tower in network.towers.items()} == {
        "age": [("Dropout", 0.2)], "gender": [("Dropout", 0.3)],
    }  # fmt: skip
    assert all(kinds(tower) == ["Dropout", "Linear", "ReLU"] for tower in network.towers.values())
    (optimizer,) = started(config)[2].optimizers
    assert {(group["lr"], group["weight_decay"]) for group in optimizer.param_groups} == {(5e-5, 1e-5)}
    assert build(config["split"], "split").name == "random 80/20/0 of 5000 faces seed 0"
    assert (config["loader"]["batch_size"], config["trainer"]["max_epochs"]) == (64, 60)


@pytest.mark.parametrize(
    ("name", "first", "added"),
    [
        ("vgg16_two_stage", 4_458_498, 9_439_232),
        ("vgg16_two_stage_keras_layers", 4_458_498, 7_079_424),
        ("vgg16_two_stage_200px", 4_458_498 + (6 * 6 - 4 * 4) * 512 * 512, 9_439_232),
    ],
)
def test_vgg16_in_two_stages(name: str, first: int, added: int) -> None:
    config = configure(name)
    module, (stages,), trainer = started(config)
    (optimizer,) = trainer.optimizers
    rates = lambda: {(round(group["lr"], 12), group["weight_decay"]) for group in optimizer.param_groups}
    stages.on_train_epoch_start(trainer, module)
    assert trainable(module.network) == first and rates() == {(1e-4, 1e-5)}
    trainer.current_epoch = 9
    stages.on_train_epoch_start(trainer, module)
    assert trainable(module.network) == first and rates() == {(1e-4, 1e-5)}
    trainer.current_epoch = 10
    stages.on_train_epoch_start(trainer, module)
    assert trainable(module.network) == first + added
    assert rates() == {(1e-5, 1e-6)}
    assert config["trainer"]["max_epochs"] == 10 + 25
    assert {task: dropouts(tower) for task, tower in module.network.towers.items()} == {
        "age": [("Dropout", 0.4)], "gender": [("Dropout", 0.3)],
    }  # fmt: skip


def test_vgg16_on_all_images_differs_in_nothing_else() -> None:
    few, all_images = configure("vgg16_two_stage"), configure("vgg16_two_stage_all_images")
    assert (few["split"]["subset"], all_images["split"]["subset"]) == (5000, None)
    same = lambda config: {k: v for k, v in config.items() if k not in ("name", "paper", "split")}
    assert same(few) == same(all_images)


@pytest.mark.parametrize(
    ("name", "features"), [("age4_mobilenetv2", 1280), ("age4_resnet50", 2048), ("age4_efficientnet_b0", 1280)]
)
def test_four_classes_on_a_frozen_backbone(name: str, features: int) -> None:
    config = configure(name)
    module, _, _ = started(config)
    network = module.network
    assert kinds(network.trunk) == ["Linear", "ReLU", "Dropout"] * 2
    assert dropouts(network.trunk) == [("Dropout", 0.3)] * 2
    assert trainable(network) == linear(features, 512, 256, 4)
    assert config["head"]["edges"] == [0, 26, 51, 76] and config["head"]["readout"] == "bin"
    assert config["split"]["fractions"] == [0.7, 0.15, 0.15] and config["optimizer"]["lr"] == 1e-3
    assert config["monitor"] == "val/age_class_error" and config["trainer"]["max_epochs"] == 10
    assert config["backbone"]["name"] == {"age4_resnet50": "resnet50.tv_in1k"}.get(name, config["backbone"]["name"])


def test_the_command_line_has_the_last_word() -> None:
    config = compose(["experiment=age4_resnet50", "data=toyfaces", "head=dldl", "backbone=custom_cnn", "monitor=val/age_mae"])
    validate(config)
    assert list(config["data"]["sources"]) == ["toyfaces"] and config["backbone"]["widths"]
