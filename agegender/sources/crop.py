"""The region of an image that becomes the square input of a network: how a face is fitted, scaled and padded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from agegender.errors import AgeGenderError
from agegender.sources.box import Region, parse_box
from agegender.sources.images import read
from agegender.sources.resizing import Outside, resample, squared

Fit = Literal["stretch", "crop", "pad"]

SMALLEST, LARGEST = 0.1, 10.0  # scale


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

    def __call__(self, image: np.ndarray, size: int, box: Region | None = None) -> np.ndarray:
        """Crop and resize an image.

        Args:
            image: RGB, [height, width, 3], uint8.
            size: Side of the result in pixels.
            box: The box of a face in the image; None for the whole image.

        Returns:
            [size, size, 3], uint8.
        """
        height, width = image.shape[:2]
        return cut(image, self.region(width, height, box), size, self.outside)

    def region(self, width: int, height: int, box: Region | None = None) -> Region | None:
        """The region of an image.

        Args:
            width: Of the image, in pixels.
            height: Of the image, in pixels.
            box: The box of a face, which is fitted and scaled instead of the image. Pixels around it are used where the
                image has them.

        Returns:
            None for the whole image.
        """
        whole = Region.of_image(width, height)
        face = box or whole
        across, down = face.sides
        short, long = sorted((across, down))
        target = {"stretch": (across, down), "crop": (short, short), "pad": (long, long)}[self.fit]
        region = face.scaled(self.scale * target[0] / across, self.scale * target[1] / down)
        return None if region == whole else region


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
    return squared(image, size) if region is None else resample(image, region, size, outside)


def read_face(root: Path, face: Mapping[str, Any]) -> np.ndarray:
    """Read a face to show it: the whole image, or the square around its box.

    Args:
        root: Folder of the dataset.
        face: Row of a face table.

    Returns:
        RGB, [height, width, 3], uint8.

    Raises:
        ImageError: The file cannot be read.
    """
    image = read(root / face.get("file", face["path"]))
    if not face.get("box"):
        return image
    box = parse_box(face["box"])
    side = min(max(box.sides), max(image.shape))  # a box may be much larger than its picture
    return Crop("pad")(image, max(1, round(side)), box)


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
