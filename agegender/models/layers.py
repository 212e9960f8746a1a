"""Layers that papers use and torch.nn lacks, for lists of layers in YAML."""

from typing import Any

from torch import Tensor, nn


class SeparableConv2d(nn.Sequential):
    """One filter for each input channel, then 1x1 convolutions across channels (Chollet 2017, "Xception").

    Keeps height and width. The first step has no bias. The number of input channels is learned from
    the first forward pass.

    Args:
        out_channels: Of the second step.
        kernel_size: Side of the first step's filters in pixels, odd.
        bias: Of the second step.
    """

    def __init__(self, out_channels: int, kernel_size: int = 3, bias: bool = True) -> None:
        super().__init__(_LazyDepthwise(kernel_size), nn.LazyConv2d(out_channels, 1, bias=bias))


class _LazyDepthwise(nn.LazyConv2d):
    """Becomes an ordinary Conv2d with as many groups and outputs as inputs."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__(1, kernel_size, padding=kernel_size // 2, bias=False)

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        self.groups = self.out_channels = input.shape[1]
        super().initialize_parameters(input, *args, **kwargs)
