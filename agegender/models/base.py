"""The interface of a backbone."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Maps normalised images to a feature map and pools it.

    Attributes:
        mean: Mean of each RGB channel, of images in 0..1, that its images are normalised with.
        std: Standard deviation of each RGB channel, of images in 0..1.
        num_features: Size of the pooled features.
        fixed_input_size: Whether its weights are of one image size only.
    """

    mean: list[float]
    std: list[float]
    num_features: int
    fixed_input_size: bool = False

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Maps normalised images [B, 3, H, W] to a feature map, [B, C, h, w] or, for transformers, [B, tokens, C]."""

    @abstractmethod
    def pool(self, feature_map: Tensor) -> Tensor:
        """Maps the feature map to [B, num_features]."""

    @abstractmethod
    def depth_groups(self) -> list[list[str]]:
        """Names of the parameters in groups by depth, the group nearest the image first. Each name is in one group."""

    def cam_layer(self) -> nn.Module:
        """The layer that Grad-CAM explains: by default the backbone itself, with its feature map as the output."""
        return self

    def as_map(self, output: Tensor) -> Tensor:
        """Rearranges the output of ``cam_layer`` to [B, C, h, w], the rows and columns of the image."""
        return output
