"""The small convolutional net that many age and gender papers train from scratch."""

from collections.abc import Sequence

from torch import Tensor, nn

from agegender.models.base import Backbone


class CustomCNN(Backbone):
    """Blocks of 3x3 convolution, batch normalisation, ReLU and 2x2 max-pooling; 128 x 128 pixels is the usual input.

    Every block halves the image, so four blocks need images of at least 16 pixels.

    Args:
        widths: Output channels of each block, first block first.
        mean: Mean of each RGB channel, for images in 0..1.
        std: Standard deviation of each RGB channel, for images in 0..1. Mean and std of 0.5 map pixels to -1..1.
    """

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 256),
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__()
        self.mean = [float(value) for value in mean]
        self.std = [float(value) for value in std]
        self.num_features = int(widths[-1])
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),  # the norm brings its own bias
                    nn.BatchNorm2d(channels_out),
                    nn.ReLU(inplace=True),
                    nn.MaxPool2d(2),
                )
                for channels_in, channels_out in zip((3, *widths), widths, strict=False)
            )
        )

    def forward(self, image: Tensor) -> Tensor:
        """Maps normalised images [B, 3, H, W] to a feature map [B, widths[-1], H / 16, W / 16] (four blocks)."""
        return self.blocks(image)

    def pool(self, feature_map: Tensor) -> Tensor:
        """Global average: [B, C, h, w] to [B, C]."""
        return feature_map.mean(dim=(2, 3))

    def depth_groups(self) -> list[list[str]]:
        """Names of the parameters by depth, those nearest the image first: one group a block."""
        return [[f"blocks.{i}.{name}" for name, _ in block.named_parameters()] for i, block in enumerate(self.blocks)]
