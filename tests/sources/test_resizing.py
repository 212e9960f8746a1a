"""Resizing equals means computed with NumPy and the interpolation of OpenCV."""

import cv2
import numpy as np
import pytest

from agegender.sources.resizing import squared


def test_images_are_resized_without_cropping() -> None:
    left, right = np.full((40, 40, 3), 10, np.uint8), np.full((40, 40, 3), 90, np.uint8)
    small = squared(np.concatenate([left, right], axis=1), 20)
    assert small.shape == (20, 20, 3) and (small[:, :10] == 10).all() and (small[:, 10:] == 90).all()


def test_shrinking_averages_and_enlarging_interpolates() -> None:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    mean = image.reshape(20, 2, 20, 2, 3).mean(axis=(1, 3))
    assert np.abs(squared(image, 20) - mean).max() <= 0.5
    assert np.array_equal(squared(image, 60), cv2.resize(image, (60, 60), interpolation=cv2.INTER_LINEAR))


@pytest.mark.parametrize("shape", [(40, 10), (10, 40)])
def test_an_image_with_one_side_too_small_is_interpolated(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert np.array_equal(squared(image, 20), cv2.resize(image, (20, 20), interpolation=cv2.INTER_LINEAR))


def test_an_image_of_this_size_is_returned_unchanged() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    assert squared(image, 20) is image
