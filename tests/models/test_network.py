"""The network: normalisation, trunk, towers and heads, pooling, export, and estimates."""

import copy

import pytest
import torch
from torch import Tensor, nn

from agegender.errors import AgeGenderError
from agegender.heads.age_bins import AgeBins
from agegender.heads.dldl import DLDL
from agegender.heads.gender import GenderCrossEntropy
from agegender.heads.regression import Regression
from agegender.models.backbones import TimmBackbone
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class LinearHead(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.output = nn.LazyLinear(outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.output(features)


def network(pool="avg", trunk=(), towers=None, backbone=None, image_size=32, tasks=("age", "gender")) -> Network:
    outputs = {"age": 117, "gender": 2}
    return Network(
        backbone=backbone or CustomCNN(widths=[4, 8, 8, 16], mean=MEAN, std=STD),
        pool=pool,
        trunk=trunk,
        towers=towers or {},
        heads={task: LinearHead(outputs[task]) for task in tasks},
        image_size=image_size,
    )


def images(batch=3, size=32, channels_last=False) -> Tensor:
    torch.manual_seed(5)
    pixels = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)
    return pixels.to(memory_format=torch.channels_last) if channels_last else pixels


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [(32, 32), (31, 47)])
def test_normalisation_is_the_usual_one_and_keeps_the_memory_format(channels_last, size):
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    pixels = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8).to(memory_format=memory_format)
    before = pixels.clone()
    normalised = network().normalise(pixels)
    expected = (pixels.double() / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(normalised, expected.float(), rtol=0, atol=2e-6)
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=memory_format)
    assert torch.equal(pixels, before)


def test_a_channels_last_batch_is_normalised_without_a_copy_to_another_layout():
    pixels = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    assert network().normalise(pixels).stride() == pixels.stride()


@pytest.mark.parametrize(
    "image", [torch.rand(1, 3, 32, 32), torch.zeros(3, 32, 32, dtype=torch.uint8), torch.zeros(1, 32, 32, 3, dtype=torch.uint8)]
)
def test_only_uint8_batches_of_rgb_are_taken(image):
    with pytest.raises(TypeError, match=r"uint8 of shape \[B, 3, H, W\]"):
        network()(image)


def test_each_task_gets_the_output_of_its_own_tower_and_head():
    net = network(trunk=[nn.LazyLinear(10), nn.GELU()], towers={"age": [nn.LazyLinear(6), nn.ReLU()], "gender": []}).eval()
    pixels = images()
    outputs = net(pixels)
    assert list(outputs) == ["age", "gender"]
    pooled = net.backbone(net.normalise(pixels)).mean(dim=(2, 3))
    shared = net.trunk[1](net.trunk[0](pooled))
    assert net.towers["age"][0].in_features == 10
    torch.testing.assert_close(outputs["age"], net.heads["age"](net.towers["age"](shared)))
    torch.testing.assert_close(outputs["gender"], net.heads["gender"](shared))
    torch.testing.assert_close(net.outputs(net.features(pixels)), outputs)


def test_one_task_alone():
    assert list(network(tasks=("gender",))(images())) == ["gender"]


@pytest.mark.parametrize("tasks", [("age",), ("age", "gender")])
def test_every_parameter_gets_a_gradient(tasks):
    net = network(trunk=[nn.LazyLinear(4)], towers={"age": [nn.LazyLinear(4)], "gender": [nn.LazyLinear(4)]}, tasks=tasks)
    sum(output.sum() for output in net(images()).values()).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_building_changes_no_running_statistics_and_no_modes():
    backbone = CustomCNN(widths=[4, 8])
    backbone.blocks[0].eval()
    before = copy.deepcopy(backbone.state_dict())
    net = network(backbone=backbone, trunk=[nn.Flatten(), nn.LazyBatchNorm1d()])
    assert all(torch.equal(value, before[name]) for name, value in net.backbone.state_dict().items())
    assert net.trunk[1].num_batches_tracked == 0
    assert torch.equal(net.trunk[1].running_mean, torch.zeros(8))
    assert net.training
    assert net.backbone.blocks[1].training
    assert not net.backbone.blocks[0].training


def test_a_seed_gives_the_same_network():
    torch.manual_seed(3)
    left = network(trunk=[nn.LazyLinear(5)]).state_dict()
    torch.manual_seed(3)
    right = network(trunk=[nn.LazyLinear(5)]).state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_constants_of_the_normalisation_are_not_in_the_state_dict():
    assert not [name for name in network().state_dict() if "scale" in name or "shift" in name]


def test_flatten_gives_the_trunk_the_whole_feature_map():
    net = network(pool="flatten").eval()
    pixels = images()
    torch.testing.assert_close(net.features(pixels), net.backbone(net.normalise(pixels)).reshape(3, 16 * 2 * 2))


def test_without_pooling_the_trunk_gets_the_feature_map():
    net = network(pool="none", trunk=[nn.LazyConv2d(3, 1), nn.Flatten()])
    assert net.features(images()).shape == (3, 16, 2, 2)
    assert net.heads["age"].output.in_features == 3 * 2 * 2
    towers = {task: [nn.Flatten()] for task in ("age", "gender")}
    assert network(pool="none", towers=towers)(images())["gender"].shape == (3, 2)


def test_without_pooling_and_flattening_the_error_says_what_to_add():
    with pytest.raises(AgeGenderError, match=r"age head needs features \[B, F\] but gets \[1, 16, 2, 2\].*torch.nn.Flatten"):
        network(pool="none")


def test_an_image_too_small_for_the_backbone_is_an_error_that_names_image_size():
    with pytest.raises(AgeGenderError, match=r"8 pixels \(image_size"):
        network(image_size=8)


def test_an_unknown_pooling_is_an_error():
    with pytest.raises(AgeGenderError, match="pool=max: must be avg, flatten or none"):
        network(pool="max")


@pytest.mark.parametrize(("pool", "unreached"), [("avg", set()), ("flatten", {"net.conv_head.weight", "net.conv_head.bias"})])
def test_layers_after_an_unused_pooling_are_frozen(pool, unreached):
    net = network(pool=pool, backbone=TimmBackbone("mobilenetv3_small_050"), tasks=("age",))
    assert {name for name, parameter in net.backbone.named_parameters() if not parameter.requires_grad} == unreached
    net(images())["age"].sum().backward()
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("pool", ["avg", "flatten"])
def test_transformers_of_another_image_size(pool):
    backbone = TimmBackbone("vit_tiny_patch16_224", image_size=32)
    net = network(pool=pool, backbone=backbone)
    assert net.features(images()).shape == (3, 192 if pool == "avg" else 5 * 192)


def test_channels_last_and_a_deep_copy_give_the_same_outputs():
    net = network(trunk=[nn.LazyLinear(8), nn.GELU()]).eval()
    expected = net(images())
    other = copy.deepcopy(net).to(memory_format=torch.channels_last)
    torch.testing.assert_close(other(images(channels_last=True)), expected)
    assert other.heads["age"].output.weight is not net.heads["age"].output.weight


def test_compiling_in_place_keeps_names_and_outputs():
    net = network(trunk=[nn.LazyLinear(8)]).eval()
    names, pixels = list(net.state_dict()), images(channels_last=True)
    expected = net(pixels)
    net.compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(net(pixels), expected)
    assert list(net.state_dict()) == names


@pytest.mark.parametrize("channels_last", [False, True])
def test_export_with_any_batch_size(channels_last):
    net = network(trunk=[nn.LazyLinear(8)]).eval()
    example = images(2, channels_last=channels_last)
    exported = torch.export.export(net, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    more = images(7, channels_last=channels_last)
    torch.testing.assert_close(exported.module()(more), net(more))


def test_half_precision_under_autocast_and_as_weights():
    net = network().eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert net(images())["age"].dtype == torch.bfloat16
    assert net.to(torch.bfloat16)(images())["age"].dtype == torch.bfloat16


ESTIMATED = {
    "softmax": (lambda: DLDL([0, 116]), {"age", "probability_female", "age_distribution"}),
    "bins": (lambda: AgeBins([0, 116], [0, 26, 51, 76]), {"age", "probability_female", "age_distribution"}),
    "number": (lambda: Regression([0, 116]), {"age", "probability_female"}),
}


@pytest.mark.parametrize("name", ESTIMATED)
def test_estimates_are_what_the_heads_read_from_their_outputs(name):
    make, keys = ESTIMATED[name]
    heads = {"age": make(), "gender": GenderCrossEntropy()}
    net = Network(CustomCNN(widths=[4, 8]), "avg", [], {}, heads, 16).eval()
    outputs = net(images(size=16))
    estimates = net.estimate(outputs)
    assert set(estimates) == keys
    torch.testing.assert_close(estimates["age"], heads["age"].predict(outputs["age"]))
    torch.testing.assert_close(estimates["probability_female"], outputs["gender"].softmax(dim=1)[:, 1])
    if "age_distribution" in keys:
        assert estimates["age_distribution"].shape == (3, 117)
        torch.testing.assert_close(estimates["age_distribution"].sum(dim=1), torch.ones(3))
        years = (estimates["age_distribution"] * torch.arange(117)).sum(dim=1)
        torch.testing.assert_close(estimates["age"], years)
    assert set(net.estimate(outputs, distribution=False)) == keys - {"age_distribution"}
    assert set(net.estimate({"gender": outputs["gender"]})) == {"probability_female"}


@pytest.mark.parametrize(("age", "classes"), [(AgeBins([0, 116], [0, 26, 51, 76]), (0, 26, 51, 76)), (DLDL([0, 116]), ())])
def test_the_network_has_the_age_classes_of_its_head(age, classes):
    assert Network(CustomCNN(widths=[4]), "avg", [], {}, {"age": age}, 16).age_classes == classes
    assert Network(CustomCNN(widths=[4]), "avg", [], {}, {"gender": GenderCrossEntropy()}, 16).age_classes == ()
