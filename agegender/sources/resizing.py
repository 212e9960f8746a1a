"""Resizes decoded images to the square input size of a network."""

import cv2
import numpy as np

INTERPOLATION = "area to shrink, linear to enlarge"
"""Name of the interpolation of `squared`. It is in the key of every cache of resized images."""


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
