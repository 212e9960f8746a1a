"""Decoded images to the square size that networks are trained on."""

import cv2
import numpy as np

INTERPOLATION = "area to shrink, linear to enlarge"
"""Names how ``squared`` computes pixels; part of the key of every cache of resized images."""


def squared(image: np.ndarray, size: int) -> np.ndarray:
    """Stretches an image to a square. Nothing is cropped or padded, so the aspect ratio may change.

    Args:
        image: [height, width, 3], uint8.
        size: Side of the square in pixels.

    Returns:
        [size, size, 3], uint8; the image itself if it has that size already.
    """
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) >= size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
