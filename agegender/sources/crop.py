"""The region of an image that becomes the square input of a network: how it is fitted, scaled and padded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from agegender.errors import AgeGenderError
from agegender.sources.resizing import Outside, resample, squared

Fit = Literal["stretch", "crop", "pad"]

SMALLEST, LARGEST = 0.1, 10.0  # scale


class Region(NamedTuple):
    """A rectangle with sides parallel to those of the image. It may reach beyond the image.

    Attributes:
        left, top, right, bottom: Its edges in pixels; the image reaches from 0 to its width and from 0 to its height.
    """

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Crop:
    """Which square or rectangle of an image a network gets.

    Args:
        fit: What happens to an image that is not square. `crop` takes the largest square at its centre, `pad` the smallest
            square that holds it, `stretch` the whole image, of which the aspect ratio changes.
        scale: Factor of the sides of that region about its centre: 0.8 keeps the central 80% of width and height, more than
            1 adds a margin.
        outside: Pixels beyond the edges of the image: `black`, `reflect` (mirrored at the edge) or `replicate` (those of the
            edge).

    Raises:
        AgeGenderError: An argument is not allowed.
    """

    fit: Fit = "crop"
    scale: float = 1.0
    outside: Outside = "reflect"

    def __post_init__(self) -> None:
        for name, value, allowed in (("fit", self.fit, get_args(Fit)), ("outside", self.outside, get_args(Outside))):
            if value not in allowed:
                raise AgeGenderError(f"data.{name}={value}: expected {', '.join(allowed)}")
        number = isinstance(self.scale, int | float) and not isinstance(self.scale, bool)
        if not number or not SMALLEST <= self.scale <= LARGEST:
            raise AgeGenderError(f"data.crop_scale={self.scale}: expected a number from {SMALLEST:g} to {LARGEST:g}")

    def __call__(self, image: np.ndarray, size: int) -> np.ndarray:
        """Crop and resize an image.

        Args:
            image: RGB, [height, width, 3], uint8.
            size: Side of the result in pixels.

        Returns:
            [size, size, 3], uint8.
        """
        height, width = image.shape[:2]
        return cut(image, self.region(width, height), size, self.outside)

    def region(self, width: int, height: int) -> Region | None:
        """The region of an image.

        Args:
            width: Of the image, in pixels.
            height: Of the image, in pixels.

        Returns:
            None for the whole image.
        """
        short, long = sorted((width, height))
        across, down = {"stretch": (width, height), "crop": (short, short), "pad": (long, long)}[self.fit]
        x, y = self.scale * across / 2, self.scale * down / 2
        region = Region(width / 2 - x, height / 2 - y, width / 2 + x, height / 2 + y)
        return None if region == (0, 0, width, height) else region


EARLIER = Crop("stretch")
"""The crop of runs and checkpoints that recorded none."""


def cut(image: np.ndarray, region: Region | None, size: int, outside: Outside) -> np.ndarray:
    """Resize a region of an image to a square.

    Args:
        image: RGB, [height, width, 3], uint8.
        region: In pixels of the image; None for the whole image.
        size: Side of the square in pixels.
        outside: Pixels beyond the edges of the image.

    Returns:
        [size, size, 3], uint8.
    """
    return squared(image, size) if region is None else resample(image, *region, size, outside)


def crop_for(dataset: str, trained: Mapping[str, Crop]) -> Crop:
    """The crop that a model needs for images of a dataset.

    Args:
        dataset: Name of the dataset. It need not be one that the model was trained on.
        trained: Crop of each dataset that the model was trained on, by name.

    Raises:
        AgeGenderError: The model was not trained on the dataset, and its own datasets have different crops.
    """
    if dataset in trained:
        return trained[dataset]
    first, *others = set(trained.values())
    if others:
        scales = ", ".join(f"{name} {crop.scale:g}" for name, crop in trained.items())
        raise AgeGenderError(
            f"data.crop_scale: required for {dataset}, because the model was trained with several values ({scales})"
        )
    return first
