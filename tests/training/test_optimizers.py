"""Optimizers: parameter groups, learning rates, weight decay, and steps with scaled and clipped gradients."""

import re

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from agegender.errors import AgeGenderError
from agegender.models.backbones import TimmBackbone
from agegender.models.network import Network
from agegender.training.balance import Uncertainty
from agegender.training.optimizers import SGD, Adam, AdamW

BUILDERS = {"adam": Adam, "adamw": AdamW, "sgd": SGD}


class Model(nn.Module):
    """Has a network and a balance, as the Lightning module has."""

    def __init__(self, name: str = "mobilenetv3_small_050", image_size: int = 32) -> None:
        super().__init__()
        trunk = [nn.LazyLinear(8), nn.LayerNorm(8)]
        heads = {"age": nn.LazyLinear(5), "gender": nn.LazyLinear(2)}
        self.network = Network(TimmBackbone(name, image_size=image_size), "avg", trunk, {}, heads, image_size)
        self.balance = Uncertainty()


def by_name(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(parameter)]: group for group in optimizer.param_groups for parameter in group["params"]}


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_every_trainable_parameter_is_in_exactly_one_group(builder, name):
    model = Model(name)
    frozen = next(model.network.backbone.parameters())
    frozen.requires_grad_(False)
    optimizer = builder().build(model)
    listed = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert len(listed) == len(set(listed))
    assert set(listed) == {id(p) for p in model.parameters() if p is not frozen}


@pytest.mark.parametrize(("rule", "times"), [("none", 1), ("linear", 4), ("sqrt", 2)])
@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_a_rule_multiplies_all_rates_by_the_number_of_processes(builder, rule, times, monkeypatch):
    model = Model()
    before = by_name(model, builder(lr=0.01, backbone_lr_scale=0.1).build(model))
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    after = by_name(model, builder(lr=0.01, backbone_lr_scale=0.1, lr_scaling=rule).build(model))
    assert {name: group["lr"] for name, group in after.items()} == pytest.approx(
        {name: times * group["lr"] for name, group in before.items()}
    )


def test_rates_and_decay_of_each_kind_of_parameter():
    model = Model()
    optimizer = AdamW(lr=0.02, backbone_lr_scale=0.1, weight_decay=0.3).build(model)
    settings = {name: (group["name"], group["lr"], group["weight_decay"]) for name, group in by_name(model, optimizer).items()}
    assert settings["network.backbone.net.conv_stem.weight"] == ("backbone/decay", pytest.approx(0.002), 0.3)
    assert settings["network.backbone.net.bn1.weight"] == ("backbone/no_decay", pytest.approx(0.002), 0)
    assert settings["network.trunk.0.weight"] == ("head/decay", 0.02, 0.3)
    assert settings["network.trunk.0.bias"] == ("head/no_decay", 0.02, 0)
    assert settings["network.trunk.1.weight"] == ("head/no_decay", 0.02, 0)
    assert settings["network.heads.age.weight"] == ("head/decay", 0.02, 0.3)
    assert settings["balance.log_variances.age"] == ("head/no_decay", 0.02, 0)


def test_position_embeddings_and_class_tokens_are_not_decayed():
    model = Model("vit_tiny_patch16_224")
    groups = by_name(model, SGD().build(model))
    assert groups["network.backbone.net.pos_embed"]["name"] == "backbone/no_decay"
    assert groups["network.backbone.net.cls_token"]["name"] == "backbone/no_decay"
    assert groups["network.backbone.net.patch_embed.proj.weight"]["name"] == "backbone/decay"


def test_decay_norms_and_biases_decays_everything_except_the_balance():
    model = Model()
    groups = by_name(model, AdamW(weight_decay=0.3, decay_norms_and_biases=True).build(model))
    assert {name for name, group in groups.items() if group["weight_decay"] == 0} == {
        "balance.log_variances.age",
        "balance.log_variances.gender",
    }


def test_a_frozen_backbone_has_no_group():
    model = Model()
    model.network.backbone.requires_grad_(False)
    assert [group["name"] for group in Adam().build(model).param_groups] == ["head/decay", "head/no_decay"]


def test_a_frozen_model_is_an_error():
    model = Model().requires_grad_(False)
    with pytest.raises(AgeGenderError, match="nothing to train"):
        Adam().build(model)


RANGES = {  # values out of range, and allowed ones
    "lr": ([0.0, -1.0, float("nan")], [1e-9]), "backbone_lr_scale": ([-0.1], [0.0]), "weight_decay": ([-1e-3], [0.0]),
    "layer_decay": ([0.0, 1.01], [1e-3, 1.0]), "betas": ([[0.9, 1.0], [-0.1, 0.9], [0.9]], [[0.0, 0.9]]),
    "eps": ([-1e-8], [0.0]), "momentum": ([1.0, -0.1], [0.5]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("builder", "key", "wrong", "right"),
    [(b, key, *RANGES[key]) for b in BUILDERS.values() for key in b.__dataclass_fields__ if key in RANGES],
)
def test_values_out_of_range_are_an_error_that_names_the_key(builder, key, wrong, right):
    for value in wrong:
        with pytest.raises(AgeGenderError, match=rf"^optimizer\.{key}={re.escape(str(value))}: must be "):
            builder(**{key: value})
    for value in right:
        builder(**{key: value}).build(nn.Linear(2, 2))


def test_nesterov_needs_momentum():
    with pytest.raises(AgeGenderError, match=r"optimizer\.nesterov=True: must be false without momentum"):
        SGD(momentum=0.0)


def test_arguments_reach_the_optimizer():
    layer = nn.Linear(2, 2)
    adam = Adam(lr=0.5, betas=[0.8, 0.9], eps=1e-4, weight_decay=0.1).build(layer)
    assert {key: adam.param_groups[0][key] for key in ("lr", "betas", "eps", "weight_decay")} == {
        "lr": 0.5, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1
    }  # fmt: skip
    sgd = SGD(lr=0.5, momentum=0.7, nesterov=True).build(layer)
    assert {key: sgd.param_groups[0][key] for key in ("lr", "momentum", "nesterov")} == {
        "lr": 0.5, "momentum": 0.7, "nesterov": True
    }  # fmt: skip


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_the_fused_step_equals_the_plain_one(builder):
    def steps(fused: bool) -> torch.Tensor:
        torch.manual_seed(0)
        layer = nn.Linear(16, 16)
        optimizer = builder(weight_decay=0.1).build(layer)
        assert all(group["fused"] for group in optimizer.param_groups)
        for group in optimizer.param_groups:
            group["fused"] = fused
        for _ in range(5):
            optimizer.zero_grad()
            layer(torch.ones(2, 16)).square().sum().backward()
            optimizer.step()
        return layer.weight.detach()

    torch.testing.assert_close(steps(fused=True), steps(fused=False))


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_scaled_losses_are_unscaled_before_clipping(builder):
    """The steps of 16-mixed precision: scale, unscale, clip, step. The weights must be those without scaling."""

    def train(scaled: bool) -> torch.Tensor:
        torch.manual_seed(0)
        layer = nn.Linear(4, 4)
        optimizer = builder(lr=0.1).build(layer)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=scaled)
        for _ in range(3):
            optimizer.zero_grad()
            scaler.scale(layer(torch.ones(2, 4)).square().sum()).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(layer.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()
        return layer.weight.detach()

    torch.testing.assert_close(train(scaled=True), train(scaled=False))


def test_lightning_accepts_clipping_with_it():
    amp = pytest.importorskip("lightning.pytorch.plugins.precision.amp")
    layer = nn.Linear(4, 4)
    optimizer = AdamW().build(layer)
    layer(torch.ones(2, 4)).sum().backward()
    amp.MixedPrecision("16-mixed", "cuda", scaler=torch.amp.GradScaler("cpu")).clip_gradients(optimizer, clip_val=0.1)
    assert sum(parameter.grad.square().sum() for parameter in layer.parameters()).sqrt() <= 0.1001


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_resnet"])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_layer_decay_equals_that_of_timm(name: str, scale: float) -> None:
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
