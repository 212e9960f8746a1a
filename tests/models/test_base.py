"""The interface of a backbone: a minimal one works with the network and Grad-CAM."""

import pytest
import torch
from torch import Tensor, nn

from agegender.evaluation.grad_cam import grad_cam
from agegender.heads.regression import Regression
from agegender.models.base import Backbone
from agegender.models.network import Network


class OneConvolution(Backbone):
    """Only what the interface requires."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.std, self.num_features = [0.5] * 3, [0.5] * 3, 4
        self.layer = nn.Conv2d(3, 4, 4, stride=4)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image).relu()

    def pool(self, feature_map: Tensor) -> Tensor:
        return feature_map.amax(dim=(2, 3))

    def depth_groups(self) -> list[list[str]]:
        return [["layer.weight", "layer.bias"]]


def test_a_minimal_backbone_trains_and_is_explained_by_its_feature_map() -> None:
    torch.manual_seed(0)
    backbone = OneConvolution()
    network = Network(backbone, "avg", [], {}, {"age": Regression([0, 116])}, 16).eval()
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    network(images)["age"].sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert backbone.cam_layer() is backbone
    assert grad_cam(network, images, "age").shape == (2, 16, 16)


@pytest.mark.parametrize("method", ["forward", "pool", "depth_groups"])
def test_a_backbone_without_a_required_method_cannot_be_built(method: str) -> None:
    methods = {name: getattr(OneConvolution, name) for name in ("forward", "pool", "depth_groups") if name != method}
    with pytest.raises(TypeError, match=method):
        type("Incomplete", (Backbone,), methods)()
