"""What a backbone is."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Maps normalised images to a feature map, pools it, and knows how its images must be normalised.

    Attributes:
        mean: Mean of each RGB channel, of images in 0..1, that its weights expect.
        std: Standard deviation of each RGB channel, of images in 0..1.
        num_features: Size of the pooled features.
    """

    mean: list[float]
    std: list[float]
    num_features: int

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Maps normalised images [B, 3, H, W] to a feature map, [B, C, h, w] or, for transformers, [B, tokens, C]."""

    @abstractmethod
    def pool(self, feature_map: Tensor) -> Tensor:
        """Maps the feature map to [B, num_features]."""

    @abstractmethod
    def depth_groups(self) -> list[list[str]]:
        """Names of the parameters by depth, those nearest the image first, each exactly once."""
