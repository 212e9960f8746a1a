"""Transforms against albumentations: the same pixels for the same parameters, and the same distribution of parameters."""

from typing import Any

import albumentations
import cv2
import numpy as np
import pytest
from scipy.stats import ks_2samp

from agegender.data.augment import Albumentations, Flip, Geometric, ResizedCrop, Standard
from agegender.data.transforms import ContrastAroundMean, GaussianBlur, HorizontalFlip, Light, Movement, apply_all

SIDE, COUNT = 32, 1500


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A smooth image without symmetry and without black pixels."""
    coarse = np.random.default_rng(1).integers(60, 200, (7, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).clip(40, 220)


def _changed(transform: Any, image: np.ndarray, parameters: Any) -> np.ndarray:
    result = image.copy()
    transform.apply(result, parameters)
    return result.astype(int)


def _reference(transform: albumentations.BasicTransform, image: np.ndarray) -> np.ndarray:
    return transform(image=image)["image"].astype(int)


@pytest.mark.parametrize("width", [*range(1, 40), 112, 223])
def test_a_flip_in_place_is_exact_for_every_width(width: int) -> None:
    image = np.random.default_rng(width).integers(0, 256, (5, width, 3), dtype=np.uint8)
    assert np.array_equal(_changed(HorizontalFlip(1), image, None), image[:, ::-1])


@pytest.mark.parametrize(("factor", "change"), [(1.3, 0.2), (0.7, -0.3), (1.0, 0.3), (1.25, -0.25)])
def test_light_rounds_what_albumentations_truncates(image: np.ndarray, factor: float, change: float) -> None:
    limits = {"contrast_limit": (factor - 1, factor - 1), "brightness_limit": (change, change)}
    expected = _reference(albumentations.RandomBrightnessContrast(**limits, p=1.0), image)
    found = _changed(Light(1, 0.3, 0.3), image, (factor, 255 * change))
    assert set(np.unique(found - expected)) <= {0, 1}
    assert np.abs(found - np.clip(image * factor + 255 * change, 0, 255)).max() < 0.501


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_contrast_around_the_mean(image: np.ndarray, factor: float) -> None:
    other = {"brightness": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
    expected = _reference(albumentations.ColorJitter(contrast=(factor, factor), **other, p=1.0), image)
    assert np.abs(_changed(ContrastAroundMean(1, 0.1), image, factor) - expected).max() <= 1


@pytest.mark.parametrize(("size", "sigma"), [(3, 0.5), (5, 1.2), (7, 3.0)])
def test_blur_has_the_same_pixels(image: np.ndarray, size: int, sigma: float) -> None:
    expected = _reference(albumentations.GaussianBlur(blur_limit=(size, size), sigma_limit=(sigma, sigma), p=1.0), image)
    assert np.array_equal(_changed(GaussianBlur(1, 3, 7), image, (size, sigma)), expected)


@pytest.mark.parametrize(("rotation", "zoom", "shift"), [(30, 0, 0), (0, 0.1, 0), (0, 0, 0.125), (-20, -0.1, 0.25)])
def test_a_movement_has_the_same_pixels(image: np.ndarray, rotation: float, zoom: float, shift: float) -> None:
    class Largest(np.random.Generator):
        def uniform(self, *_: Any) -> np.ndarray:  # type: ignore[override]
            return np.ones((4, 1))

    [matrix] = Movement(1, rotation, zoom, shift).draw(Largest(np.random.PCG64()), 1, SIDE, SIDE)
    expected = _reference(
        albumentations.Affine(
            rotate=(rotation, rotation), scale=(1 + zoom, 1 + zoom), translate_percent=(shift, shift),
            border_mode=cv2.BORDER_REFLECT, p=1.0,
        ),
        image,
    )  # fmt: skip
    assert np.abs(_changed(Movement(1, 0, 0, 0), image, matrix) - expected).max() <= 1


def _geometric(translation: float) -> list[dict[str, Any]]:
    shifts = {axis: (-translation, translation) for axis in "xy"}
    return [
        {"HorizontalFlip": {"p": 0.5}},
        {
            "Affine": {
                "rotate": (-36, 36), "scale": (0.9, 1.1), "keep_ratio": True, "border_mode": cv2.BORDER_REFLECT,
                "translate_percent": shifts, "p": 1.0,
            }
        },
        {"ColorJitter": {"brightness": (1, 1), "contrast": (0.9, 1.1), "saturation": (1, 1), "hue": (0, 0), "p": 1.0}},
    ]  # fmt: skip


STANDARD = [
    {"HorizontalFlip": {"p": 0.5}},
    {"RandomBrightnessContrast": {"brightness_limit": 0.3, "contrast_limit": 0.3, "p": 0.5}},
    {"GaussianBlur": {"blur_limit": (3, 7), "p": 0.2}},
    {"CoarseDropout": {"num_holes_range": (4, 4), "hole_height_range": (5, 5), "hole_width_range": (5, 5), "p": 0.3}},
]


CROP = [
    {"RandomResizedCrop": {"size": (SIDE, SIDE), "scale": (0.5, 1.0), "ratio": (1.0, 1.0), "p": 1.0}},
    {"HorizontalFlip": {"p": 0.5}},
]


def _statistics(images: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers of each image that depend on its light, its place, its sharpness and its holes."""
    grey = images.mean(axis=3)
    ramp = np.linspace(-1, 1, SIDE)
    black = (images == 0).all(axis=3)
    return {
        "mean": grey.mean(axis=(1, 2)),
        "deviation": grey.std(axis=(1, 2)),
        "across": (grey * ramp).mean(axis=(1, 2)),
        "down": (grey * ramp[:, None]).mean(axis=(1, 2)),
        "diagonal": (grey * ramp * ramp[:, None]).mean(axis=(1, 2)),
        "sharpness": np.abs(np.diff(grey, 2, axis=2)).mean(axis=(1, 2)),
        "black pixels": black.sum(axis=(1, 2)),
        "first black row": np.where(black.any(axis=(1, 2)), black.any(axis=2).argmax(axis=1), -1),
        "red less blue": (images[..., 0].astype(float) - images[..., 2]).mean(axis=(1, 2)),
    }


@pytest.mark.parametrize(
    ("preset", "steps", "truncated"),
    [
        (Flip(0.3), [{"HorizontalFlip": {"p": 0.3}}], 0.0),
        (Standard(hole_size=5), STANDARD, 0.0),
        (ResizedCrop(area=(0.5, 1.0)), CROP, 0.0),
        (Geometric(translation=0), _geometric(0.0), 0.5),
        (Geometric(), _geometric(0.1), 0.5),
    ],
    ids=["flip", "standard", "crop", "geometric without shifts", "geometric"],
)
def test_presets_have_the_distribution_of_albumentations(preset: Any, steps: Any, truncated: float, image: np.ndarray) -> None:
    """Two-sample Kolmogorov-Smirnov tests of statistics of each image, and the mean and deviation of each pixel.

    Contrast of albumentations truncates pixels, half a level of grey on average; ``geometric`` changes all images. Its shifts
    are truncated to whole pixels, up to a third of those of an image of 32 px, so that single pixels differ.
    """
    copies = np.repeat(image[None], COUNT, axis=0)
    ours, theirs = preset(copies.copy(), 5), Albumentations(steps)(copies.copy(), 6)
    found, expected = _statistics(ours), _statistics(theirs)
    expected["mean"] += truncated
    for statistic, values in found.items():
        assert ks_2samp(values.round(), expected[statistic].round(), method="asymp").pvalue > 1e-3, statistic
    if steps == _geometric(0.1):
        return
    noise = 5 * theirs.std(axis=0) * np.sqrt(2 / COUNT) + 0.5
    for moment in (np.mean, np.std):
        difference = moment(ours, axis=0) - moment(theirs, axis=0) - (truncated if moment is np.mean else 0)
        assert (np.abs(difference) <= noise).all()


def test_images_are_changed_with_their_probability_and_differently() -> None:
    images = np.full((2000, 4, 4, 3), 100, np.uint8)
    out = apply_all([Light(0.25, 0.3, 0.0)], images.copy(), 0)[:, 0, 0, 0]
    changed = out != 100
    assert abs(changed.mean() - 0.25) < 0.04
    assert len(np.unique(out[changed])) > 100
