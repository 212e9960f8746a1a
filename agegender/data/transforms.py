"""Random changes of uint8 images: parameters are drawn for a whole batch at once, pixels are changed in place by OpenCV.

Each class has the distribution of the albumentations transform that its docstring names, and takes a fraction of its time:
an image passes through all of its changes while it is in the processor's cache, and nothing else is done for it in Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np


class Transform(Protocol):
    """A change that is applied to each image of a batch with a probability."""

    @property
    def probability(self) -> float:
        """Probability that an image is changed, 0..1."""
        ...

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> list[Any]:
        """Draws the parameters of ``count`` images of this size."""
        ...

    def apply(self, image: np.ndarray, parameters: Any) -> None:
        """Changes an image ``[H, W, 3]`` (uint8 RGB, contiguous) in place."""
        ...


def apply_all(transforms: Sequence[Transform], images: np.ndarray, seed: int) -> np.ndarray:
    """Applies transforms in their order to a batch.

    Args:
        transforms: The transforms.
        images: ``[N, H, W, 3]`` uint8 RGB, contiguous, overwritten.
        seed: Determines all random choices.

    Returns:
        The same array.
    """
    generator = np.random.default_rng(seed)
    count, height, width = images.shape[:3]
    drawn = [
        (
            transform.apply,
            np.less(generator.random(count), transform.probability).tolist(),
            transform.draw(generator, count, height, width),
        )
        for transform in transforms
    ]
    for row, image in enumerate(images):
        for apply, chosen, parameters in drawn:
            if chosen[row]:
                apply(image, parameters[row])
    return images


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirrors left and right (``HorizontalFlip``)."""

    probability: float

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> list[None]:
        """There is nothing to draw."""
        return [None] * count

    def apply(self, image: np.ndarray, parameters: None) -> None:
        """Mirrors an image."""
        cv2.flip(image, 1, dst=image)


@dataclass(frozen=True)
class Light:
    """Multiplies all pixels by a factor, then adds a constant (``RandomBrightnessContrast``).

    Args:
        probability: Of a change.
        brightness: Largest constant in either direction, as a fraction of 255.
        contrast: The factor is at most this far from 1.
    """

    probability: float
    brightness: float
    contrast: float

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> list[Any]:
        """Draws factors and constants."""
        return (generator.uniform(-1, 1, (count, 2)) * (self.contrast, 255 * self.brightness) + (1, 0)).tolist()

    def apply(self, image: np.ndarray, parameters: Sequence[float]) -> None:
        """Changes the light of an image; pixels are rounded and limited to 0..255."""
        factor, constant = parameters
        cv2.addWeighted(image, factor, image, 0, constant, dst=image)


@dataclass(frozen=True)
class ContrastAroundMean:
    """Moves all pixels away from the mean grey of the image, or towards it (the contrast of ``ColorJitter``).

    Args:
        probability: Of a change.
        contrast: The factor is at most this far from 1.
    """

    probability: float
    contrast: float

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> list[Any]:
        """Draws factors."""
        return generator.uniform(1 - self.contrast, 1 + self.contrast, count).tolist()

    def apply(self, image: np.ndarray, parameters: float) -> None:
        """Changes the contrast of an image."""
        mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
        cv2.addWeighted(image, parameters, image, 0, mean * (1 - parameters), dst=image)


@dataclass(frozen=True)
class GaussianBlur:
    """Blurs with a Gaussian kernel (``GaussianBlur``).

    Args:
        probability: Of blur.
        smallest: Smallest size of the kernel, pixels.
        largest: Largest size. A size between the two is drawn; if it is even, the kernel is one pixel larger.
        sigmas: Smallest and largest standard deviation, pixels.
    """

    probability: float
    smallest: int
    largest: int
    sigmas: tuple[float, float] = (0.5, 3.0)

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> list[Any]:
        """Draws sizes and standard deviations."""
        sizes = generator.integers(self.smallest, self.largest + 1, count) | 1
        return list(zip(sizes.tolist(), generator.uniform(*self.sigmas, count).tolist(), strict=True))

    def apply(self, image: np.ndarray, parameters: tuple[int, float]) -> None:
        """Blurs an image; its border is mirrored without the outermost pixels."""
        kernel = cv2.getGaussianKernel(*parameters)
        cv2.sepFilter2D(image, -1, kernel, kernel, dst=image)


@dataclass(frozen=True)
class Holes:
    """Cuts out black squares that may overlap (``CoarseDropout``).

    Args:
        probability: That squares are cut out.
        count: Number of squares.
        size: Side of a square, pixels.
    """

    probability: float
    count: int
    size: int

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> list[Any]:
        """Draws the upper left corners, rows before columns; all squares are inside the image."""
        return generator.integers(0, (height - self.size + 1, width - self.size + 1), (count, self.count, 2)).tolist()

    def apply(self, image: np.ndarray, parameters: Sequence[Sequence[int]]) -> None:
        """Cuts out squares of an image."""
        for top, left in parameters:
            image[top : top + self.size, left : left + self.size] = 0


@dataclass(frozen=True)
class Movement:
    """Rotates, zooms about the centre, and shifts, with one linear interpolation and mirrored borders (``Affine``).

    Args:
        probability: Of a movement.
        rotation: Largest angle in either direction, degrees.
        zoom: Largest zoom in either direction, as a fraction.
        translation: Largest shift in either direction, as a fraction of height and of width.
    """

    probability: float
    rotation: float
    zoom: float
    translation: float

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> list[Any]:
        """Draws matrices ``[2, 3]`` that map a pixel of the image to its new place."""
        angle, zoom, across, down = generator.uniform(-1, 1, (4, count))
        angle, scale = np.radians(self.rotation * angle), 1 + self.zoom * zoom
        cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        shift_x, shift_y = self.translation * width * across, self.translation * height * down
        rows = [[cosine, sine, x - cosine * x - sine * y + shift_x], [-sine, cosine, y + sine * x - cosine * y + shift_y]]
        return list(np.moveaxis(np.array(rows), -1, 0))

    def apply(self, image: np.ndarray, parameters: np.ndarray) -> None:
        """Moves the content of an image."""
        four = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)  # OpenCV warps four channels faster than three
        moved = cv2.warpAffine(four, parameters, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB, dst=image)


@dataclass(frozen=True)
class RandomCrop:
    """Cuts out a square and resizes it to the size of the image (``RandomResizedCrop`` with a ratio of 1).

    Args:
        probability: Of a crop.
        smallest: Smallest area of the square, as a fraction of that of the image.
        largest: Largest area.
    """

    probability: float
    smallest: float
    largest: float

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> list[Any]:
        """Draws upper left corners, rows before columns, and sides."""
        area = height * width * generator.uniform(self.smallest, self.largest, count)
        sides = np.sqrt(area).round().clip(1, min(height, width)).astype(int)
        corners = generator.integers(0, (height - sides + 1, width - sides + 1), (2, count))
        return np.stack([*corners, sides], axis=1).tolist()

    def apply(self, image: np.ndarray, parameters: Sequence[int]) -> None:
        """Replaces an image by a part of it."""
        top, left, side = parameters
        crop = image[top : top + side, left : left + side]
        image[:] = cv2.resize(crop, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
