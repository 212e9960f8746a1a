import numpy as np
import torch
from torch import nn

from agegender.models.layers import SeparableConv2d


def test_a_separable_convolution_filters_each_channel_and_then_mixes_channels() -> None:
    torch.manual_seed(0)
    layer = SeparableConv2d(4)
    image = torch.rand(1, 2, 5, 6)
    output = layer(image)
    depthwise, pointwise = layer[0].weight.detach().numpy(), layer[1].weight.detach().numpy()[:, :, 0, 0]
    bias = layer[1].bias.detach().numpy()
    padded = np.pad(image[0].numpy(), ((0, 0), (1, 1), (1, 1)))
    for y in range(5):
        for x in range(6):
            filtered = [(padded[c, y : y + 3, x : x + 3] * depthwise[c, 0]).sum() for c in range(2)]
            np.testing.assert_allclose(output[0, :, y, x].detach().numpy(), pointwise @ filtered + bias, rtol=1e-4, atol=1e-5)


def test_it_has_one_bias_an_output_and_knows_its_size_after_one_image() -> None:
    layer = SeparableConv2d(312)
    layer(torch.rand(1, 512, 7, 7))
    assert sum(p.numel() for p in layer.parameters()) == 512 * 9 + 512 * 312 + 312
    assert type(layer[0]) is type(layer[1]) is nn.Conv2d
    without = SeparableConv2d(8, kernel_size=5, bias=False)
    assert without(torch.rand(2, 3, 9, 9)).shape == (2, 8, 9, 9)
    assert sum(p.numel() for p in without.parameters()) == 3 * 25 + 3 * 8
