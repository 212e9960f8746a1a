"""Test-time augmentation: a test may average the estimates of several views of each face."""

from typing import Literal

from torch import Tensor
from torchvision.transforms.v2.functional import resize, ten_crop

Views = Literal["one", "flip", "crops"]
CROP = 7 / 8  # side of a crop as a share of the side of the image: 224 of 256 pixels in the paper


def views_of(images: Tensor, views: Views) -> list[Tensor]:
    """The views of a batch of images, each of the size of the images.

    Args:
        images: uint8 [B, 3, H, W].
        views: ``one``: the images. ``flip``: also their mirror images. ``crops``: the centre and the four corners, each
            7/8 of the side and enlarged to the whole, and their mirror images (Krizhevsky, Sutskever and Hinton, NeurIPS
            2012).
    """
    if views == "one":
        return [images]
    if views == "flip":
        return [images, images.flip(3)]
    height, width = images.shape[-2:]
    crops = ten_crop(images, [round(CROP * height), round(CROP * width)])
    return [resize(crop, [height, width], antialias=True) for crop in crops]
