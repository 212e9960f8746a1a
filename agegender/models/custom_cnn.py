"""The small convolutional nets that many age and gender papers train from scratch."""

from collections.abc import Sequence

from torch import Tensor, nn

from agegender.models.base import Backbone
from agegender.models.layers import SeparableConv2d


class CustomCNN(Backbone):
    """Blocks of 3x3 convolution, batch normalisation, ReLU and 2x2 max-pooling; 128 x 128 pixels is the usual input.

    Every block halves the image, so four blocks need images of at least 16 pixels.

    Args:
        widths: Output channels of each block, first block first.
        separable: Depthwise separable convolutions.
        batch_norm: Normalise after each convolution, which then has no bias of its own.
        bn_momentum: Share of a new batch in the running statistics; Keras' default, momentum 0.99, is 0.01 here.
        bn_eps: Added to the variance; Keras' default is 1e-3.
        mean: Mean of each RGB channel, for images in 0..1.
        std: Standard deviation of each RGB channel, for images in 0..1. Mean and std of 0.5 map pixels to -1..1.
    """

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 256),
        separable: bool = False,
        batch_norm: bool = True,
        bn_momentum: float = 0.1,
        bn_eps: float = 1e-5,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__()
        self.mean = [float(value) for value in mean]
        self.std = [float(value) for value in std]
        self.num_features = int(widths[-1])

        def block(channels_in: int, channels_out: int) -> nn.Sequential:
            bias = not batch_norm  # the norm brings its own
            return nn.Sequential(
                SeparableConv2d(channels_out, bias=bias)
                if separable
                else nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias),
                *([nn.BatchNorm2d(channels_out, bn_eps, bn_momentum)] if batch_norm else []),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            )

        self.blocks = nn.Sequential(*map(block, (3, *widths), widths))

    def forward(self, image: Tensor) -> Tensor:
        """Maps normalised images [B, 3, H, W] to a feature map, [B, widths[-1], H / 16, W / 16] for four blocks."""
        return self.blocks(image)

    def pool(self, feature_map: Tensor) -> Tensor:
        """Global average: [B, C, h, w] to [B, C]."""
        return feature_map.mean(dim=(2, 3))

    def depth_groups(self) -> list[list[str]]:
        """Names of the parameters by depth, those nearest the image first: one group a block."""
        return [[f"blocks.{i}.{name}" for name, _ in block.named_parameters()] for i, block in enumerate(self.blocks)]
