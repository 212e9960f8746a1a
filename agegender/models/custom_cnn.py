"""The small convolutional networks that many papers on age and gender train from scratch."""

from collections.abc import Sequence

from torch import Tensor, nn

from agegender.errors import AgeGenderError
from agegender.models.base import Backbone
from agegender.models.layers import SeparableConv2d


class CustomCNN(Backbone):
    """Blocks of 3x3 convolution, batch norm, ReLU and 2x2 max-pooling. Papers usually use images of 128 x 128 pixels.

    Each block halves the image, so four blocks need images of at least 16 pixels.

    Args:
        widths: Output channels of each block, first block first: one or more positive integers.
        separable: Use depthwise separable convolutions.
        batch_norm: Use batch norm; the convolutions then have no bias.
        bn_momentum: Weight of a new batch in the running statistics. The default of Keras, momentum 0.99, is 0.01 here.
        bn_eps: Added to the variance. The default of Keras is 1e-3.
        mean: Mean of each RGB channel, of images in 0..1.
        std: Standard deviation of each RGB channel, of images in 0..1. A mean and std of 0.5 map pixels to -1..1.

    Raises:
        AgeGenderError: ``widths`` is empty, or a width is not positive.
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
        if not widths or min(widths) < 1:
            raise AgeGenderError(f"backbone.widths={list(widths)}: must be one or more positive integers")
        self.mean = [float(value) for value in mean]
        self.std = [float(value) for value in std]
        self.num_features = int(widths[-1])

        def block(channels_in: int, channels_out: int) -> nn.Sequential:
            bias = not batch_norm  # batch norm has one
            return nn.Sequential(
                SeparableConv2d(channels_out, bias=bias)
                if separable
                else nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias),
                *([nn.BatchNorm2d(channels_out, bn_eps, bn_momentum)] if batch_norm else []),
                nn.MaxPool2d(2),
                nn.ReLU(inplace=True),  # after pooling it has a quarter of the work and the same results
            )

        self.blocks = nn.Sequential(*map(block, (3, *widths), widths))

    def forward(self, image: Tensor) -> Tensor:
        """Maps normalised images [B, 3, H, W] to a feature map: [B, widths[-1], H / 16, W / 16] with four blocks."""
        return self.blocks(image)

    def pool(self, feature_map: Tensor) -> Tensor:
        """Averages the feature map [B, C, h, w] over its places: [B, C]."""
        return feature_map.mean(dim=(2, 3))

    def depth_groups(self) -> list[list[str]]:
        """Names of the parameters of each block, first block first."""
        return [[f"blocks.{i}.{name}" for name, _ in block.named_parameters()] for i, block in enumerate(self.blocks)]
