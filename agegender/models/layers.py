"""Layers that papers use and ``torch.nn`` does not have, for lists of layers in YAML."""

from typing import Any

from torch import Tensor, nn


class SeparableConv2d(nn.Sequential):
    """A depthwise convolution, then a 1x1 convolution across channels (Chollet, "Xception", CVPR 2017).

    Maps [B, C, H, W] to [B, out_channels, H, W]. C is taken from the first input. The depthwise convolution has no bias.

    Args:
        out_channels: Output channels of the 1x1 convolution.
        kernel_size: Side of the depthwise filters in pixels; odd.
        bias: Whether the 1x1 convolution has a bias.
    """

    def __init__(self, out_channels: int, kernel_size: int = 3, bias: bool = True) -> None:
        super().__init__(_LazyDepthwise(kernel_size), nn.LazyConv2d(out_channels, 1, bias=bias))


class _LazyDepthwise(nn.LazyConv2d):
    """Becomes an ordinary Conv2d with one group and one output channel for each input channel."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__(1, kernel_size, padding=kernel_size // 2, bias=False)

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        self.groups = self.out_channels = input.shape[1]
        super().initialize_parameters(input, *args, **kwargs)
