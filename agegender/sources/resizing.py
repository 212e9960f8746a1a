"""Resizes decoded images, or regions of them, to the square input size of a network."""

import math
from typing import Literal

import cv2
import numpy as np

from agegender.sources.box import Region

Outside = Literal["black", "reflect", "replicate"]

INTERPOLATION = "area to shrink, linear to enlarge"
"""Name of the interpolation of `squared`. It is in the key of every cache of resized images."""

WARP = "2 area and linear"
"""Version of the interpolation of `resample`. It is in the key of every cache with regions of images."""

MOST_SAMPLES = 16  # for each pixel of the result, along one axis

_BORDERS = {"black": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT, "replicate": cv2.BORDER_REPLICATE}


def squared(image: np.ndarray, size: int) -> np.ndarray:
    """Resize an image to a square, without cropping or padding. The aspect ratio may change.

    Args:
        image: RGB, [height, width, 3], uint8.
        size: Side of the square in pixels.

    Returns:
        [size, size, 3], uint8. An image of this size is returned unchanged.
    """
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) >= size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resample(image: np.ndarray, region: Region, size: int, outside: Outside) -> np.ndarray:
    """Resize a region of an image to a square with one affine warp; the region may reach beyond the image.

    Pixels are interpolated linearly. To shrink, each pixel of the result is the mean of samples that are at most one pixel of
    the image apart, so that no pixel is skipped (aliasing). If the image shrinks by a factor of 8 or more, it is first
    averaged over blocks, which limits the number of samples.

    Args:
        image: RGB, [height, width, 3], uint8.
        region: In pixels of the image.
        size: Side of the square in pixels.
        outside: Pixels beyond the edges of the image: black, mirrored at the edge, or those of the edge.

    Returns:
        [size, size, 3], uint8.
    """
    image, region = _in_blocks(*_read(image, region), size)
    across, down = (_samples(side / size) for side in region.sides)
    centre, *edges = np.array(region).reshape(3, 2)
    steps = np.stack([edges[0] / (size * across), edges[1] / (size * down)], axis=1)
    # OpenCV counts from the centre of the first pixel, which is half a pixel from the edge.
    first = centre - sum(edges) / 2 + steps.sum(axis=1) / 2 - 0.5
    matrix = np.concatenate([steps, first[:, None]], axis=1)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    samples = cv2.warpAffine(image, matrix, (size * across, size * down), flags=how, borderMode=_BORDERS[outside])
    return samples if across == down == 1 else cv2.resize(samples, (size, size), interpolation=cv2.INTER_AREA)


def _read(image: np.ndarray, region: Region) -> tuple[np.ndarray, Region]:
    """The part of an image that a region reads, with the pixels that are mirrored beyond an edge, and the region in it."""
    lengths, corners = np.array(image.shape[1::-1]), region.corners()
    start, stop = corners.min(axis=0), corners.max(axis=0)
    first = np.clip(np.floor(np.minimum(start, 2 * lengths - stop)) - 1, 0, lengths - 1).astype(int)
    last = np.clip(np.ceil(np.maximum(stop, -start)) + 1, 1, lengths).astype(int)
    (x, y), (right, bottom) = first.tolist(), last.tolist()
    return image[y:bottom, x:right], region._replace(x=region.x - x, y=region.y - y)


def _in_blocks(image: np.ndarray, region: Region, size: int) -> tuple[np.ndarray, Region]:
    """Averages an image over blocks of at most a quarter of a pixel of the result; returns the region in the blocks too."""
    height, width = image.shape[:2]
    x_side, y_side = max(abs(region.across_x), abs(region.down_x)), max(abs(region.across_y), abs(region.down_y))
    columns, rows = (max(1, round(n / max(1, side // (4 * size)))) for n, side in ((width, x_side), (height, y_side)))
    if (rows, columns) == (height, width):
        return image, region
    factors = np.array([columns / width, rows / height])
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    return small, Region(*(np.array(region).reshape(3, 2) * factors).ravel().tolist())


def _samples(step: float) -> int:
    """Samples for each pixel of the result along one axis.

    Only a region that is much larger than its image would need more than `MOST_SAMPLES`.

    Args:
        step: Distance of the pixels of the result, in pixels of the image.
    """
    return min(max(1, math.ceil(step - 1e-6)), MOST_SAMPLES)
