"""The custom CNN against arithmetic by hand."""

import copy
from itertools import pairwise

import pytest
import torch

from agegender.errors import AgeGenderError
from agegender.models.custom_cnn import CustomCNN


@pytest.mark.parametrize("size", [16, 50, 128])
def test_four_blocks_halve_the_image_four_times(size):
    cnn = CustomCNN().eval()
    feature_map = cnn(torch.rand(2, 3, size, size))
    assert feature_map.shape == (2, 256, size // 16, size // 16)
    assert cnn.pool(feature_map).shape == (2, cnn.num_features)


@pytest.mark.parametrize("widths", [[], [-3, 4], [0]])
def test_widths_must_be_positive(widths):
    with pytest.raises(AgeGenderError, match=r"backbone\.widths=\[.*\]: must be one or more positive integers"):
        CustomCNN(widths=widths)


def test_a_block_is_convolution_norm_relu_maxpool():
    torch.manual_seed(0)
    cnn = CustomCNN(widths=[5]).eval()
    convolution, norm = cnn.blocks[0][0], cnn.blocks[0][1]
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    image = torch.rand(1, 3, 8, 8)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    expected = torch.empty(1, 5, 4, 4)
    for channel in range(5):
        response = torch.stack(
            [(padded[0, :, y : y + 3, x : x + 3] * convolution.weight[channel]).sum() for y in range(8) for x in range(8)]
        ).view(8, 8)
        scaled = (response - norm.running_mean[channel]) / (norm.running_var[channel] + norm.eps).sqrt()
        for y in range(4):
            for x in range(4):
                expected[0, channel, y, x] = scaled[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].clamp(min=0).max()
    assert convolution.bias is None
    torch.testing.assert_close(cnn(image), expected, rtol=1e-4, atol=1e-5)


def test_outputs_and_gradients_are_those_of_pooling_after_relu():
    torch.manual_seed(0)
    cnn, images = CustomCNN(widths=[5, 6]), torch.rand(3, 3, 18, 18)
    usual = copy.deepcopy(cnn)
    for block in usual.blocks:
        block[2], block[3] = torch.nn.ReLU(), torch.nn.MaxPool2d(2)
    outputs = [net(images) for net in (cnn, usual)]
    for output in outputs:
        output.square().sum().backward()
    assert torch.equal(*outputs) and outputs[0].eq(0).any() and outputs[0].gt(0).any()
    for one, other in zip(cnn.parameters(), usual.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_depth_groups_name_every_parameter_once_from_the_image_inwards():
    cnn = CustomCNN(widths=[4, 8, 16])
    groups = cnn.depth_groups()
    assert len(groups) == 3
    assert [name for group in groups for name in group] == [name for name, _ in cnn.named_parameters()]


def test_normalisation_constants_are_plain_floats():
    cnn = CustomCNN(mean=(0, 0, 0), std=(1, 1, 1))
    assert (cnn.mean, cnn.std) == ([0.0] * 3, [1.0] * 3)
    assert all(type(value) is float for value in cnn.mean + cnn.std)


def test_separable_blocks_without_norm_have_biases_and_far_fewer_weights():
    cnn = CustomCNN(widths=[64, 128, 128, 256, 256], separable=True, batch_norm=False)
    sizes = []
    for block in cnn.blocks:
        block.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    cnn(torch.rand(1, 3, 180, 180))
    assert sizes == [(64, 90, 90), (128, 45, 45), (128, 22, 22), (256, 11, 11), (256, 5, 5)]
    channels = [3, 64, 128, 128, 256, 256]
    expected = sum(9 * i + i * o + o for i, o in pairwise(channels))
    assert sum(p.numel() for p in cnn.parameters()) == expected == 129_115


def test_batch_norm_with_the_settings_of_keras():
    norm = CustomCNN(widths=[2], bn_momentum=0.01, bn_eps=1e-3).blocks[0][1]
    norm(torch.full((1, 2, 4, 4), 5.0))
    assert norm.eps == 1e-3
    torch.testing.assert_close(norm.running_mean, torch.full((2,), 0.99 * 0 + 0.01 * 5))
