"""Grad-CAM against arithmetic by hand, and against models with random weights."""

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from agegender.evaluation.grad_cam import grad_cam
from agegender.heads.age_bins import AgeBins
from agegender.heads.gender import GenderBCE, GenderCrossEntropy
from agegender.heads.regression import Regression
from agegender.models.backbones import TimmBackbone
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network

AGES = (0, 116)


def network(head: nn.Module, task: str = "age", seed: int = 0, widths: tuple[int, ...] = (6, 12)) -> Network:
    torch.manual_seed(seed)
    net = Network(CustomCNN(widths), "avg", [], {}, {task: head}, 32)
    for module in net.modules():  # so that the ReLUs do not output zeros only
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return net.eval()


def images(count: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def by_hand(net: Network, weight: Tensor) -> Tensor:
    """The map for a linear layer on the global average. Its weights [B, C] are the gradient, up to a factor."""
    with torch.no_grad():
        features = net.backbone(net.normalise(images()))
    cam = (features * weight[:, :, None, None]).sum(1).relu()
    cam = interpolate(cam[:, None], (32, 32), mode="bilinear", align_corners=False)[:, 0]
    return cam / cam.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)


def test_years_of_a_regression() -> None:
    net = network(Regression(AGES))
    found = grad_cam(net, images(), "age")
    torch.testing.assert_close(found, by_hand(net, net.heads["age"].layer.weight.expand(3, -1)))
    assert found.shape == (3, 32, 32) and found.amin() >= 0
    torch.testing.assert_close(found.amax(dim=(1, 2)), torch.ones(3))


def test_the_most_probable_class_where_the_age_has_no_gradient() -> None:
    net = network(AgeBins(AGES, edges=[0, 26, 51, 76], readout="bin"))
    chosen = net(images())["age"].argmax(dim=1)
    torch.testing.assert_close(grad_cam(net, images(), "age"), by_hand(net, net.heads["age"].layer.weight[chosen]))


@pytest.mark.parametrize("female", [True, False])
@pytest.mark.parametrize("head", [GenderBCE, GenderCrossEntropy])
def test_the_gender_that_is_estimated(head: type, female: bool) -> None:
    net = network(head(), "gender")
    layer = net.heads["gender"].layer
    nn.init.zeros_(layer.bias)
    layer.bias.data[-1] = 20.0 if female else -20.0  # the last output is for female
    estimate = net.heads["gender"].probability_female(net(images())["gender"]) > 0.5
    assert (estimate == female).all()
    weight = layer.weight[int(female)] if len(layer.weight) == 2 else layer.weight[0] * (1 if female else -1)
    torch.testing.assert_close(grad_cam(net, images(), "gender"), by_hand(net, weight.expand(3, -1)))


def test_random_weights_give_another_map() -> None:
    """The sanity check of Adebayo et al. (NeurIPS 2018): a map that random weights do not change does not explain the model."""
    net = network(Regression(AGES))
    before = grad_cam(net, images(), "age")
    torch.testing.assert_close(grad_cam(net, images(), "age"), before, rtol=0, atol=0)
    net.backbone.load_state_dict(network(Regression(AGES), seed=9).backbone.state_dict())
    other = grad_cam(net, images(), "age")
    assert (before - other).abs().mean() > 0.05


def test_a_frozen_backbone_is_explained_and_no_hook_or_gradient_remains() -> None:
    net = network(Regression(AGES))
    free = grad_cam(net, images(), "age")
    net.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(grad_cam(net, images(), "age"), free)
    assert not net.backbone._forward_hooks
    assert all(parameter.grad is None for parameter in net.parameters())


def test_transformers_are_explained_by_their_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: real("test_vit", num_classes=0, img_size=32))
    torch.manual_seed(0)
    net = Network(TimmBackbone("vit_base_patch16_224", 32), "avg", [], {}, {"age": Regression(AGES)}, 32).eval()
    found = grad_cam(net, images(), "age")
    assert found.shape == (3, 32, 32) and found.amax() == 1 and found.std() > 0
