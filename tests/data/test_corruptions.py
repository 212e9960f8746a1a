"""Corruptions: deterministic, graded, and each does what its name says."""

import cv2
import numpy as np
import pytest

from agegender.data.corruptions import CORRUPTIONS, SHAPES, Corrupted, brightness, crop, noise, occlusion, resolution, rotation


def faces(count: int = 2, side: int = 64) -> np.ndarray:
    """Smooth images with some texture."""
    rng = np.random.default_rng(0)
    rough = rng.integers(40, 200, (count, 8, 8, 3)).astype(np.uint8)
    return np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) for image in rough])


EVERY = [(kind, level) for kind, corruption in CORRUPTIONS.items() for level in corruption.levels]


@pytest.mark.parametrize(("kind", "level"), EVERY)
def test_the_result_depends_on_each_image_alone(kind: str, level: object) -> None:
    images = faces(3)
    before = images.copy()
    changed = Corrupted(kind, level)(images, 0)
    assert changed.shape == images.shape and changed.dtype == np.uint8 and np.array_equal(images, before)
    one_by_one = np.concatenate([Corrupted(kind, level)(images[i : i + 1], seed=i) for i in (2, 1, 0)])[::-1]
    assert np.array_equal(changed, one_by_one)
    assert not np.array_equal(changed, images) or (kind, level) == ("resolution", 64)
    assert len(Corrupted(kind, level)(images[:0], 0)) == 0


@pytest.mark.parametrize("kind", [kind for kind in CORRUPTIONS if kind not in ("occlusion", "grey", "flip", "resolution")])
def test_a_later_level_changes_more(kind: str) -> None:
    images = faces().astype(float)
    change = [np.abs(Corrupted(kind, level)(faces(), 0) - images).mean() for level in CORRUPTIONS[kind].levels]
    assert change == sorted(change) and change[0] < change[-1]


def test_noise_has_its_deviation_and_differs_between_images() -> None:
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    assert (noise(grey, 20) - 128.0).std() == pytest.approx(20, rel=0.05)
    assert not np.array_equal(noise(grey, 20).astype(int) - 128, noise(grey + np.uint8(1), 20).astype(int) - 129)


def test_brightness_multiplies_and_saturates() -> None:
    image = np.array([[[10, 100, 200]]], dtype=np.uint8)
    assert brightness(image, 1.5).tolist() == [[[15, 150, 255]]] and brightness(image, 0.25).tolist() == [[[2, 25, 50]]]


def test_resolution_averages_blocks_and_leaves_small_images() -> None:
    image = faces(1)[0]
    blocks = np.rint(image.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))).astype(np.uint8)
    assert np.abs(resolution(image, 16).astype(int) - cv2.resize(blocks, (64, 64)).astype(int)).max() <= 2  # rounding
    assert np.array_equal(resolution(image, 64), image) and np.array_equal(resolution(image, 100), image)


def test_shapes_cover_their_places_on_an_aligned_crop() -> None:
    covered = {shape: (occlusion(np.full((100, 100, 3), 200, np.uint8), shape) == 40).all(axis=2) for shape in SHAPES}
    assert covered["mask"][75, 50] and not covered["mask"][:48].any()  # mouth, not eyes
    assert covered["sunglasses"][40, 30] and covered["sunglasses"][40, 70] and not covered["sunglasses"][60:].any()
    assert covered["hat"][5, 5] and covered["hat"][20, 50] and not covered["hat"][30:].any()
    assert all(0.05 < one.mean() < 0.35 for one in covered.values())


def test_rotation_keeps_the_centre_and_turns_against_the_clock() -> None:
    image = np.zeros((65, 65, 3), dtype=np.uint8)
    image[32, 48:56] = 255  # right of the centre
    turned = rotation(image, 90)
    assert turned[10:17, 32].max() == 255 and turned[32, 48:56].max() == 0


def test_a_tighter_crop_enlarges_and_a_looser_one_pads_by_reflection() -> None:
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[24:40, 24:40] = 255
    area = (image > 127).mean()
    assert (crop(image, 0.5) > 127).mean() == pytest.approx(4 * area, rel=0.15)
    assert (crop(image, 1.5) > 127).mean() == pytest.approx(area / 2.25, rel=0.2)
    edge = np.zeros((64, 64, 3), dtype=np.uint8)
    edge[:, :2] = 255
    assert (crop(edge, 1.5)[32] > 60).any()  # the edge is inside now
    assert CORRUPTIONS["looser"].artificial and CORRUPTIONS["occlusion"].artificial and not CORRUPTIONS["tighter"].artificial
