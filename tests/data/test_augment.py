"""Augmentation presets: arguments, probabilities, and reproducibility by seed."""

import random
import re

import cv2
import numpy as np
import pytest

from agegender.data.augment import Albumentations, Flip, Geometric, ResizedCrop, Standard, Unchanged
from agegender.errors import AgeGenderError

SIZE = 224


def _noise(count: int, size: int = SIZE) -> np.ndarray:
    """Smooth images without black pixels."""
    small = np.random.default_rng(0).integers(60, 200, (count, 12, 12, 3), dtype=np.uint8)
    return np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in small]).clip(40, 220)


def _only(**changes: float) -> Standard:
    off = {"flip": 0.0, "light_probability": 0.0, "blur_probability": 0.0, "holes_probability": 0.0}
    return Standard(**{**off, **changes})  # type: ignore[arg-type]


def test_default_holes_are_four_black_squares_of_30_pixels():
    images = _noise(40)
    holed = _only(holes_probability=1.0)(images.copy(), seed=3)
    apart = 0
    for before, after in zip(images, holed, strict=True):
        black = (after == 0).all(axis=2)
        assert np.array_equal(after[~black], before[~black])
        pieces, _, stats, _ = cv2.connectedComponentsWithStats(black.astype(np.uint8), connectivity=8)
        if pieces == 1 + 4:  # holes may overlap: check the images in which they do not
            assert set(stats[1:, cv2.CC_STAT_AREA]) == {900}
            assert set(stats[1:, cv2.CC_STAT_WIDTH]) == {30}
            apart += 1
        assert 900 < black.sum() <= 4 * 900
    assert apart > 5


def test_number_and_size_of_holes():
    holed = _only(holes_probability=1.0, holes=1, hole_size=17)(_noise(3, 64), seed=0)
    assert [(image == 0).all(axis=2).sum() for image in holed] == [17 * 17] * 3


def test_holes_larger_than_the_image_raise():
    with pytest.raises(AgeGenderError, match=r"hole_size=30.*image_size=24"):
        Standard()(_noise(1, 24), seed=0)


def test_without_holes_images_may_have_any_size():
    assert Standard(holes=0)(_noise(1, 24), seed=0).shape == (1, 24, 24, 3)


def test_standard_steps_have_the_documented_probabilities_and_are_independent():
    count = 1200
    images = np.repeat(_noise(1, 64), count, axis=0)
    images[:, :, :32] //= 2  # left and right differ
    plain = images[0].astype(int)
    mirrored = plain[:, ::-1]
    out = Standard(light_probability=0.0, hole_size=10)(images.copy(), seed=5).astype(int)
    flipped = np.array([np.abs(one - mirrored).mean() < np.abs(one - plain).mean() for one in out])
    holed = np.array([(one == 0).all(axis=2).any() for one in out])
    reference = np.where(flipped[:, None, None, None], mirrored, plain)
    blurred = np.array([(np.abs(o - r)[(o != 0).all(axis=2)] > 0).any() for o, r in zip(out, reference, strict=True)])
    for share, expected in ((flipped.mean(), 0.5), (holed.mean(), 0.3), (blurred.mean(), 0.2)):
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / count)
    for one, other in ((flipped, holed), (flipped, blurred), (holed, blurred)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(count)


def test_steps_are_independent_in_the_first_image_too():
    """If each transform had its own generator with the same seed, their first random numbers would be equal."""
    images = _noise(1, 32)
    images[:, :, :16] //= 2
    flips, lights = [], []
    for seed in range(300):
        out = Standard(blur_probability=0, holes=0)(images.copy(), seed)[0].astype(float)
        flips.append(out[:, :16].mean() > out[:, 16:].mean())
        lights.append(not np.array_equal(out[:, ::-1] if flips[-1] else out, images[0]))
    assert abs(np.corrcoef(flips, lights)[0, 1]) < 4 / np.sqrt(300)


def test_brightness_changes_cover_their_range():
    grey = np.full((600, 8, 8, 3), 100, np.uint8)
    out = _only(light_probability=1.0, contrast=0.0, holes=0)(grey, seed=0)[:, 0, 0, 0].astype(float)
    change = (out - 100) / 255
    assert np.abs(change).max() <= 0.3 + 0.01
    assert change.min() < -0.28 and change.max() > 0.28


def test_blur_kernels_are_3_to_7_pixels_wide():
    dot = np.zeros((200, 31, 31, 3), np.uint8)
    dot[:, 15, 15] = 255
    out = _only(blur_probability=1.0, holes=0)(dot, seed=0)
    widths = {int((one[15, :, 0] > 0).sum()) for one in out}
    assert max(widths) == 7 and min(widths) <= 3


@pytest.mark.parametrize("preset", [Standard(), Geometric(), Flip()], ids=lambda preset: type(preset).__name__)
def test_the_result_depends_on_the_seed_only(preset):
    images = _noise(6)
    first = preset(images.copy(), seed=11)
    preset(images.copy(), seed=12)
    np.random.seed(0)
    random.seed(0)
    assert np.array_equal(preset(images.copy(), seed=11), first)
    assert np.array_equal(type(preset)()(images.copy(), seed=11), first)
    assert not np.array_equal(preset(images.copy(), seed=12), first)
    assert first.dtype == np.uint8 and first.shape == images.shape


def test_flip_mirrors_half_of_the_images_and_changes_nothing_else():
    images = _noise(400, 16)
    out = Flip()(images.copy(), seed=1)
    same = np.array([np.array_equal(a, b) for a, b in zip(out, images, strict=True)])
    mirrored = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(out, images, strict=True)])
    assert (same ^ mirrored).all()
    assert abs(mirrored.mean() - 0.5) < 0.1
    assert np.array_equal(Flip(probability=1.0)(images.copy(), seed=1), images[:, :, ::-1])


def test_unchanged_returns_equal_images():
    images = _noise(2, 16)
    assert np.array_equal(Unchanged()(images.copy(), seed=1), images)


def _movements(preset: Geometric, count: int) -> np.ndarray:
    """Angle (degrees), zoom and two shifts (fractions) of each image, measured on three marks: ``[count, 4]``."""
    size = 201
    image = np.full((size, size, 3), 30, np.uint8)
    marks = np.array([[100, 100], [130, 100], [100, 130]], dtype=float)  # centre, right, below
    for channel, (x, y) in enumerate(marks.astype(int)):
        cv2.circle(image, (x, y), 4, tuple(225 if c == channel else 30 for c in range(3)), -1)
    out = preset(np.repeat(image[None], count, axis=0), seed=0).astype(float)
    results = []
    ys, xs = np.mgrid[:size, :size]
    for one in out:
        found = []
        for channel in range(3):
            others = np.delete(one, channel, axis=2).max(axis=2)
            weight = np.clip(one[..., channel] - others, 0, None)
            found.append([(xs * weight).sum() / weight.sum(), (ys * weight).sum() / weight.sum()])
        centre, right, _ = np.array(found)
        arm = right - centre
        results.append([np.degrees(np.arctan2(arm[1], arm[0])), np.hypot(*arm) / 30, *(centre - 100) / size])
    return np.array(results)


def test_geometric_movements_cover_their_ranges():
    angle, zoom, across, down = _movements(Geometric(flip=0.0), 200).T
    assert np.abs(angle).max() < 36.5 and np.abs(angle).max() > 34 and (np.abs(angle) > 0.05).mean() > 0.97
    assert zoom.min() > 0.89 and zoom.max() < 1.11 and zoom.min() < 0.915 and zoom.max() > 1.085
    for shift in (across, down):
        assert np.abs(shift).max() < 0.105 and np.abs(shift).max() > 0.09
    assert abs(np.corrcoef(across, down)[0, 1]) < 0.25  # the shifts along the two axes are independent


def test_standard_moves_faces_as_geometric_does_and_only_on_request():
    moves = {"rotation": 10.0, "zoom": 0.1, "translation": 0.05}
    assert np.array_equal(_movements(_only(**moves), 50), _movements(Geometric(flip=0.0, contrast=0.0, **moves), 50))
    assert not np.array_equal(_movements(_only(**moves), 50), _movements(_only(), 50))
    assert np.allclose(_movements(_only(), 50), _movements(Unchanged(), 50))


def test_geometric_contrast_scales_around_the_mean():
    grey = np.full((300, 16, 16, 3), 80, np.uint8)
    grey[:, :8] = 120
    out = Geometric(flip=0, rotation=0, zoom=0, translation=0)(grey, seed=0).astype(float)
    spread = (out[:, 12, 0, 0] - out[:, 4, 0, 0]) / -40
    assert spread.min() >= 0.87 and spread.max() <= 1.13
    assert spread.min() < 0.93 and spread.max() > 1.07
    assert np.abs(out.mean(axis=(1, 2, 3)) - 100).max() <= 1


@pytest.mark.parametrize(
    ("preset", "arguments", "message"),
    [
        (Flip, {"probability": 1.5}, "augment.probability=1.5: expected a number from 0 to 1"),
        (Standard, {"brightness": -0.1}, "augment.brightness=-0.1: expected a number from 0 to 1"),
        (Standard, {"blur": [7, 3]}, "augment.blur=[7, 3]: expected two sizes of at least 1 pixel, the smaller first"),
        (Standard, {"blur": [3]}, "augment.blur=[3]: expected two sizes of at least 1 pixel, the smaller first"),
        (Standard, {"holes": -1}, "augment.holes=-1, augment.hole_size=30: expected at least 0 and at least 1"),
        (
            ResizedCrop,
            {"area": [0.8, 1.5]},
            "augment.area=[0.8, 1.5]: expected two fractions above 0 and up to 1, the smaller first",
        ),
        (Geometric, {"rotation": float("inf")}, "augment.rotation=inf: expected degrees from 0 to 180"),
        (Standard, {"rotation": -1}, "augment.rotation=-1: expected degrees from 0 to 180"),
        (Standard, {"translation": 2}, "augment.translation=2: expected a number from 0 to 1"),
        (Geometric, {"zoom": 2}, "augment.zoom=2: expected a number from 0 to 1"),
    ],
)
def test_a_value_out_of_range_is_a_one_line_error(preset, arguments, message):
    with pytest.raises(AgeGenderError) as caught:
        preset(**arguments)
    assert str(caught.value) == message


def test_presets_with_other_arguments_have_other_names_in_the_key_of_cached_features():
    names = {
        repr(preset)
        for preset in (
            Flip(),
            Flip(0.4),
            ResizedCrop(),
            Standard(),
            Standard(contrast=0.2),
            Standard(zoom=0.2),
            Geometric(),
            Geometric(zoom=0.2),
        )
    }
    assert len(names) == 8 and repr(Standard()) in names


def test_transforms_of_albumentations_are_applied_in_their_order():
    images = _noise(3)
    both = Albumentations([{"VerticalFlip": {"p": 1.0}}, {"InvertImg": {"p": 1.0}}])
    assert np.array_equal(both(images.copy(), seed=0), 255 - images[:, ::-1])
    drop = Albumentations([{"CoarseDropout": {"p": 1.0}}])
    assert np.array_equal(drop(images.copy(), seed=3), drop(images.copy(), seed=3))
    assert not np.array_equal(drop(images.copy(), seed=3), drop(images.copy(), seed=4))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"HorizontalFlop": {}}, "augment.steps.0: albumentations has no transform HorizontalFlop"),
        ({"Compose": {}}, "augment.steps.0: albumentations has no transform Compose"),
        ("HorizontalFlip", "augment.steps.0=HorizontalFlip: expected one name with its arguments"),
        ({"HorizontalFlip": {"p": 1.5}}, "less than or equal to 1"),
        ({"CoarseDropout": {"max_holes": 4}}, "max_holes"),  # of version 1; by default it is ignored with a warning
    ],
)
def test_a_mistake_in_the_transforms_of_albumentations_is_a_one_line_error(step, message):
    with pytest.raises(AgeGenderError, match=re.escape(message)) as caught:
        Albumentations([step])
    assert "\n" not in str(caught.value)


def test_transforms_of_albumentations_that_change_the_size_raise():
    with pytest.raises(AgeGenderError, match=r"\(224, 224, 3\) becomes \(8, 8, 3\)"):
        Albumentations([{"CenterCrop": {"height": 8, "width": 8}}])(_noise(1), seed=0)


def test_resized_crops_are_squares_inside_the_image_of_the_given_areas():
    across = np.tile(np.linspace(20, 220, 64).round().astype(np.uint8)[None, :, None], (64, 1, 3))
    images = np.repeat(np.stack([across, across.transpose(1, 0, 2)]), 300, axis=0)
    out = ResizedCrop(flip=0.0)(images.copy(), seed=0).astype(float)
    assert out.shape == images.shape
    for crops, line in ((out[:300], np.s_[32, :, 0]), (out[300:], np.s_[:, 32, 0])):
        spans = np.array([crop[line][-2] - crop[line][1] for crop in crops]) / (across[0, -2, 0] - float(across[0, 1, 0]))
        assert abs(spans.min() - np.sqrt(0.8)) < 0.03 and abs(spans.max() - 1) < 0.03
        assert np.std([crop[line][32] for crop in crops]) > 2  # anywhere
    flipped = ResizedCrop(area=(1.0, 1.0))(images.copy(), seed=0)
    mirrored = np.array([np.array_equal(one, image[:, ::-1]) for one, image in zip(flipped[:300], images[:300], strict=True)])
    assert abs(mirrored.mean() - 0.5) < 4 * 0.5 / np.sqrt(300)
