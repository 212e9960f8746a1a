"""The nets of the papers: order of their layers, shapes, dropout rates, numbers of weights, and which of them train."""

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from agegender.configuration.build import build
from agegender.training.module import AgeGenderModule

DROPOUTS = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout)
Experiment = Callable[..., dict[str, Any]]


def module_of(config: dict[str, Any]) -> AgeGenderModule:
    parts = ("backbone", "pool", "trunk", "tower", "head", "gender_head", "image_size")
    keys = ("tasks", "balance", "optimizer", "schedule", "monitor", "seed")
    return AgeGenderModule({key: config[key] for key in parts}, **{key: config[key] for key in keys}, about={})


def started(config: dict[str, Any]) -> tuple[AgeGenderModule, list[Any], Any]:
    """The module, its finetune callbacks and a stand-in of the Trainer, as training begins."""
    module, callbacks = module_of(config), list(build(config["finetune"], "callbacks").values())
    trainer = SimpleNamespace(world_size=1, 
        max_epochs=config["trainer"]["max_epochs"], current_epoch=0, datamodule=SimpleNamespace(cache_dir=None),
        lr_scheduler_configs=[], early_stopping_callbacks=[],
    )  # fmt: skip
    for callback in callbacks:
        callback.setup(trainer, module, "fit")
    trainer.optimizers = [module.optimizer.build(module)]
    return module, callbacks, trainer


def trainable(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def dropouts(layers: nn.Module) -> list[tuple[str, float]]:
    return [(type(layer).__name__, layer.p) for layer in layers.modules() if isinstance(layer, DROPOUTS)]


def norms(layers: nn.Module) -> list[tuple[float | None, float]]:
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    return [(layer.momentum, layer.eps) for layer in layers.modules() if isinstance(layer, kinds)]


def kinds(layers: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in layers]


def linear(*sizes: int) -> int:
    return sum(i * o + o for i, o in pairwise(sizes))


def separable(channels_in: int, channels_out: int) -> int:
    return 9 * channels_in + channels_in * channels_out + channels_out


def test_effb0_is_one_backbone_with_keras_batch_norm_dropout_and_two_linear_heads(experiment: Experiment) -> None:
    network = module_of(experiment("effb0_multitask")).network
    assert norms(network) == [(0.01, 1e-3)] * 49
    assert kinds(network.trunk) == ["Dropout"] and dropouts(network.trunk) == [("Dropout", 0.3)]
    assert {task: head.layer.weight.shape for task, head in network.heads.items()} == {"age": (1, 1280), "gender": (1, 1280)}
    assert sum(p.numel() for p in network.parameters()) == 4_007_548 + 2 * linear(1280, 1)


def test_separable_cnn_has_the_papers_sizes_and_parameters(experiment: Experiment) -> None:
    network = module_of(experiment("separable_cnn")).network
    sizes: list[tuple[int, ...]] = []
    for layer in network.modules():
        if isinstance(layer, nn.MaxPool2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    black = torch.zeros(1, 3, 180, 180, dtype=torch.uint8)
    years = network(black)["age"]
    assert sizes == [(64, 90, 90), (128, 45, 45), (128, 22, 22), (256, 11, 11), (256, 5, 5)]
    assert [kinds(block) for block in network.backbone.blocks] == [["SeparableConv2d", "MaxPool2d", "ReLU"]] * 5
    assert network.trunk[0].in_features == 6400
    assert [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)] == [128, 64, 32, 1]
    assert kinds(network.trunk) == ["Linear", "ReLU"] * 3
    assert trainable(network) == 958_812
    assert years.item() > 0
    network.heads["age"].layer.bias.data.fill_(-1000)  # a ReLU on the output
    assert network(black)["age"].item() == 0


@pytest.mark.parametrize("filters", [312, 512])
def test_vgg16_features_for_gender(filters: int, experiment: Experiment) -> None:
    module, _, _ = started(experiment("vgg16_vggface_gender" + ("_512" if filters == 512 else "")))
    network = module.network
    block = ["BatchNorm2d", "Dropout2d", "SeparableConv2d", "MaxPool2d"]
    assert kinds(network.trunk) == [*block, *block, "Flatten", "BatchNorm1d", "AlphaDropout", "Linear", "ReLU"]
    assert dropouts(network.trunk) == [("Dropout2d", 0.5), ("Dropout2d", 0.5), ("AlphaDropout", 0.5)]
    assert {layer.kernel_size for layer in network.trunk if isinstance(layer, nn.MaxPool2d)} == {2}
    blocks = 2 * 512 + separable(512, filters) + 2 * filters + separable(filters, filters)
    assert trainable(network) == blocks + 2 * filters + linear(filters, 128, 1)
    assert not any(parameter.requires_grad for parameter in network.backbone.parameters())
    assert sum(parameter.numel() for parameter in network.backbone.parameters()) == 14_714_688


@pytest.mark.parametrize("filters", [312, 512])
def test_vgg16_features_for_age(filters: int, experiment: Experiment) -> None:
    module, _, _ = started(experiment("vgg16_vggface_age" + ("_512" if filters == 512 else "")))
    network = module.network
    block = ["BatchNorm2d", "Dropout2d", "SeparableConv2d", "ReLU", "MaxPool2d"]
    assert kinds(network.trunk) == [*block, *block, "Flatten", *["Linear", "ReLU", "Dropout"] * 3]
    keep = [("Dropout2d", 0.8), ("Dropout2d", 0.6), ("Dropout", 0.2), ("Dropout", 0.2), ("Dropout", 1.0)]
    assert dropouts(network.trunk) == [(kind, pytest.approx(1 - share)) for kind, share in keep]
    assert {layer.kernel_size for layer in network.trunk if isinstance(layer, nn.MaxPool2d)} == {2}
    blocks = 2 * 512 + separable(512, filters) + 2 * filters + separable(filters, filters)
    assert trainable(network) == blocks + linear(filters, 648, 312, 128, 1)


@pytest.mark.parametrize("task", ["gender", "age"])
def test_resnet50_features(task: str, experiment: Experiment) -> None:
    module, _, _ = started(experiment(f"resnet50_vggface2_{task}"))
    network = module.network
    assert kinds(network.trunk) == ["BatchNorm1d", "Dropout", "Linear", "ELU"] and list(network.heads) == [task]
    assert dropouts(network.trunk) == [("Dropout", 0.5)]
    assert trainable(network) == 2 * 2048 + linear(2048, 128, 1)


@pytest.mark.parametrize(
    ("name", "features"), [("effb2_multitask", 1408), ("mobilenetv3_multitask", 1280), ("vit_b16_multitask", 768)]
)
def test_the_production_design_is_one_hidden_layer_under_two_heads(name: str, features: int, experiment: Experiment) -> None:
    network = module_of(experiment(name)).network
    assert kinds(network.trunk) == ["Linear", "GELU", "Dropout"] and dropouts(network.trunk) == [("Dropout", 0.3)]
    head = trainable(network) - trainable(network.backbone)
    assert head == linear(features, 512) + linear(512, 1) + linear(512, 2)


@pytest.mark.parametrize(("name", "flat"), [("custom_cnn_128", 8 * 8 * 256), ("custom_cnn_128_gap", 256)])
def test_custom_cnn_128(name: str, flat: int, experiment: Experiment) -> None:
    config = experiment(name)
    network = module_of(config).network
    convolutions = sum(9 * i * o + 2 * o for i, o in ((3, 32), (32, 64), (64, 128), (128, 256)))
    assert trainable(network) == convolutions + flat * 512 + 2 * 512 + 2 * (linear(512, 256) + linear(256, 1))
    assert [kinds(block) for block in network.backbone.blocks] == [["Conv2d", "BatchNorm2d", "MaxPool2d", "ReLU"]] * 4
    assert norms(network) == [(0.01, 1e-3)] * 5
    assert {layer.bias for layer in network.modules() if isinstance(layer, nn.Conv2d)} == {None}
    assert kinds(network.trunk) == ["Linear", "BatchNorm1d", "ReLU"]
    assert {task: dropouts(tower) for task, tower in network.towers.items()} == {
        "age": [("Dropout", 0.2)], "gender": [("Dropout", 0.3)],
    }  # fmt: skip
    assert all(kinds(tower) == ["Dropout", "Linear", "ReLU"] for tower in network.towers.values())
    (optimizer,) = started(config)[2].optimizers  # Keras decays all weights
    assert {(group["lr"], group["weight_decay"]) for group in optimizer.param_groups} == {(5e-5, 1e-5)}


@pytest.mark.parametrize(
    ("name", "first", "added"),
    [
        ("vgg16_two_stage", 4_458_498, 9_439_232),
        ("vgg16_two_stage_all_images", 4_458_498, 9_439_232),
        ("vgg16_two_stage_keras_layers", 4_458_498, 7_079_424),
        ("vgg16_two_stage_200px", 4_458_498 + (6 * 6 - 4 * 4) * 512 * 512, 9_439_232),
    ],
)
def test_vgg16_in_two_stages(name: str, first: int, added: int, experiment: Experiment) -> None:
    module, (stages,), trainer = started(experiment(name))
    network = module.network
    (optimizer,) = trainer.optimizers
    rates = lambda: {(round(group["lr"], 12), group["weight_decay"]) for group in optimizer.param_groups}
    for trainer.current_epoch in (0, 9):
        stages.on_train_epoch_start(trainer, module)
        assert trainable(network) == first and rates() == {(1e-4, 1e-5)}
    for trainer.current_epoch in (10, 34):
        stages.on_train_epoch_start(trainer, module)
        assert trainable(network) == first + added and rates() == {(1e-5, 1e-6)}
    assert kinds(network.trunk) == ["Linear", "BatchNorm1d", "ReLU"] and norms(network) == [(0.01, 1e-3)]
    assert all(kinds(tower) == ["Dropout", "Linear", "ReLU"] for tower in network.towers.values())
    assert {task: dropouts(tower) for task, tower in network.towers.items()} == {
        "age": [("Dropout", 0.4)], "gender": [("Dropout", 0.3)],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "features"), [("age4_mobilenetv2", 1280), ("age4_resnet50", 2048), ("age4_efficientnet_b0", 1280)]
)
def test_four_classes_on_a_frozen_backbone(name: str, features: int, experiment: Experiment) -> None:
    module, _, _ = started(experiment(name))
    network = module.network
    assert kinds(network.trunk) == ["Linear", "ReLU", "Dropout"] * 2
    assert dropouts(network.trunk) == [("Dropout", 0.3)] * 2
    assert trainable(network) == linear(features, 512, 256, 4)
