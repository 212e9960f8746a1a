"""Resizes decoded images, or regions of them, to the square input size of a network."""

import math
from typing import Literal

import cv2
import numpy as np

Outside = Literal["black", "reflect", "replicate"]

INTERPOLATION = "area to shrink, linear to enlarge"
"""Name of the interpolation of `squared`. It is in the key of every cache of resized images."""

WARP = "1 area and linear"
"""Version of the interpolation of `resample`. It is in the key of every cache with regions of images."""

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


def resample(
    image: np.ndarray, left: float, top: float, right: float, bottom: float, size: int, outside: Outside
) -> np.ndarray:
    """Resize a rectangle of an image to a square; the rectangle may reach beyond the image.

    Pixels are interpolated linearly. To shrink, each pixel of the result is the mean of samples that are at most one pixel of
    the image apart, so that no pixel is skipped (aliasing). If the image shrinks by a factor of 8 or more, it is first
    averaged over blocks, which limits the number of samples.

    Args:
        image: RGB, [height, width, 3], uint8.
        left: Left edge of the rectangle in pixels; 0 is the left edge of the image.
        top: Top edge.
        right: Right edge, more than `left`.
        bottom: Bottom edge, more than `top`.
        size: Side of the square in pixels.
        outside: Pixels beyond the edges of the image: black, mirrored at the edge, or those of the edge.

    Returns:
        [size, size, 3], uint8.
    """
    (x0, x1), (y0, y1) = _read(left, right, image.shape[1]), _read(top, bottom, image.shape[0])
    image = image[y0:y1, x0:x1]
    image, (left, right), (top, bottom) = _in_blocks(image, (left - x0, right - x0), (top - y0, bottom - y0), size)
    across, down = _samples((right - left) / size), _samples((bottom - top) / size)
    step_x, step_y = (right - left) / (size * across), (bottom - top) / (size * down)
    # OpenCV counts from the centre of the first pixel, which is half a pixel from the edge.
    matrix = np.array([[step_x, 0, left + step_x / 2 - 0.5], [0, step_y, top + step_y / 2 - 0.5]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    samples = cv2.warpAffine(image, matrix, (size * across, size * down), flags=how, borderMode=_BORDERS[outside])
    return samples if across == down == 1 else cv2.resize(samples, (size, size), interpolation=cv2.INTER_AREA)


def _read(start: float, stop: float, length: int) -> tuple[int, int]:
    """First and last pixel, exclusive, that an interval of one axis reads, with those that are mirrored beyond an edge."""
    first, last = min(start, 2 * length - stop), max(stop, -start)
    return min(max(math.floor(first) - 1, 0), length - 1), max(min(math.ceil(last) + 1, length), 1)


def _in_blocks(
    image: np.ndarray, across: tuple[float, float], down: tuple[float, float], size: int
) -> tuple[np.ndarray, tuple[float, float], tuple[float, float]]:
    """Averages an image over blocks of at most a quarter of a pixel of the result.

    Returns:
        The image, and both intervals in its pixels.
    """
    height, width = image.shape[:2]
    columns, rows = (max(1, round(n / max(1, (b - a) // (4 * size)))) for n, (a, b) in ((width, across), (height, down)))
    if (rows, columns) == (height, width):
        return image, across, down
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    x, y = columns / width, rows / height
    return small, (across[0] * x, across[1] * x), (down[0] * y, down[1] * y)


def _samples(step: float) -> int:
    """Samples for each pixel of the result along one axis.

    Args:
        step: Distance of the pixels of the result, in pixels of the image.
    """
    return max(1, math.ceil(step - 1e-6))
