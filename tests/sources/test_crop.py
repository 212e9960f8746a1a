"""The region of each fit and scale, and pixels against area means that are computed without OpenCV."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from agegender.errors import AgeGenderError
from agegender.sources.box import Region, parse_box
from agegender.sources.crop import EARLIER, Crop, crop_for, cut, read_face
from agegender.sources.resizing import squared


def edges(region: Region | None) -> tuple[float, ...] | None:
    """Left, top, right and bottom edge of an upright region."""
    return region and (*region.corners()[0].tolist(), *region.corners()[2].tolist())


@pytest.mark.parametrize(
    ("crop", "region"),
    [
        (Crop("stretch"), None),
        (Crop("crop"), (0, 43.5, 309, 352.5)),
        (Crop("pad"), (-43.5, 0, 352.5, 396)),
        (Crop("stretch", 0.5), (77.25, 99, 231.75, 297)),
        (Crop("crop", 0.8), (30.9, 74.4, 278.1, 321.6)),
        (Crop("pad", 2.0), (-241.5, -198, 550.5, 594)),
    ],
)
def test_regions_of_an_image_of_309_by_396_pixels(crop: Crop, region: tuple[float, ...] | None) -> None:
    assert edges(crop.region(309, 396)) == (region and pytest.approx(region))
    turned = edges(crop.region(396, 309))
    assert turned == (region and pytest.approx((region[1], region[0], region[3], region[2])))


def test_a_square_image_is_the_same_in_every_fit() -> None:
    assert [Crop(fit).region(97, 97) for fit in ("stretch", "crop", "pad")] == [None] * 3
    assert len({Crop(fit, 0.7).region(97, 97) for fit in ("stretch", "crop", "pad")}) == 1


def area_means(image: np.ndarray, region: Region, size: int) -> np.ndarray:
    """Mean of the image, of constant pixels, over each cell of a grid of size x size in the region; black outside."""

    def overlaps(start: float, stop: float, length: int) -> np.ndarray:
        """Share of each pixel, of one axis, in each cell."""
        edges = np.linspace(start, stop, size + 1)[:, None]
        pixels = np.arange(length)[None]
        inside = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
        return np.clip(inside, 0, None) / (edges[1:] - edges[:-1])

    height, width = image.shape[:2]
    (left, top), _, (right, bottom), _ = region.corners().tolist()
    rows, columns = overlaps(top, bottom, height), overlaps(left, right, width)
    return np.einsum("yh,xw,hwc->yxc", rows, columns, image.astype(float))


def picture(width: int, height: int) -> np.ndarray:
    """A picture with detail of all sizes."""
    generator = np.random.default_rng(3)
    coarse = [cv2.resize(generator.random((n, n, 3)), (width, height), interpolation=cv2.INTER_CUBIC) for n in (4, 9, 30)]
    return np.clip(255 * np.mean(coarse, axis=0), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "crop", [Crop("crop"), Crop("crop", 0.63), Crop("stretch", 0.8), Crop("pad", 1.0, "black"), Crop("pad", 1.3, "black")]
)
@pytest.mark.parametrize("size", [16, 60, 101])
def test_shrunk_regions_are_area_means(crop: Crop, size: int) -> None:
    image = picture(309, 396)
    region = crop.region(309, 396)
    assert region is not None
    difference = np.abs(crop(image, size) - area_means(image, region, size))
    inside = difference[2 : size - 2, size // 4 : -size // 4]  # edges of padding are interpolated, not sharp
    assert inside.mean() < 1.0 and difference.mean() < 1.5


def test_a_fine_pattern_is_averaged_and_not_sampled() -> None:
    stripes = np.zeros((900, 900, 3), np.uint8)
    stripes[:, ::2] = 255
    for crop in (Crop("crop", 0.99), Crop("crop", 0.37), Crop("crop", 0.2)):
        assert np.abs(crop(stripes, 32).astype(int) - 127).max() <= 12
    nearest = cv2.resize(stripes, (32, 32), interpolation=cv2.INTER_LINEAR).astype(int)
    assert np.abs(nearest - 127).max() > 100  # without averaging


def test_enlarged_regions_equal_those_of_pillow() -> None:
    image = picture(40, 60)
    expected = Image.fromarray(image).resize((96, 96), Image.Resampling.BILINEAR, box=(4, 14, 36, 46))
    assert np.abs(Crop("crop", 0.8)(image, 96).astype(int) - np.asarray(expected)).mean() < 1.0


def test_padding_is_black_mirrored_or_the_edge() -> None:
    image = np.repeat(np.arange(40, 100, dtype=np.uint8)[None, :20, None], 40, axis=0).repeat(3, axis=2)  # 20 wide, 40 high
    padded = {outside: Crop("pad", 1.0, outside)(image, 40)[20, :, 0].tolist() for outside in ("black", "reflect", "replicate")}
    row = image[0, :, 0].tolist()
    assert padded["black"] == [0] * 10 + row + [0] * 10
    assert padded["reflect"] == row[:10][::-1] + row + row[10:][::-1]
    assert padded["replicate"] == row[:1] * 10 + row + row[-1:] * 10


def test_mirrored_pixels_are_the_same_whatever_the_size_of_the_image_beyond_them() -> None:
    wide = picture(400, 60)
    left = cut(wide, parse_box("-50 0 70 60"), 60, "reflect")
    expected = cut(np.hstack([wide[:, :50][:, ::-1], wide]), parse_box("0 0 120 60"), 60, "reflect")
    assert np.abs(left.astype(int) - expected).max() <= 1
    assert np.array_equal(cut(wide[:, ::-1].copy(), parse_box("330 0 450 60"), 60, "reflect")[:, ::-1], left)


def test_a_box_is_fitted_and_scaled_instead_of_the_image() -> None:
    box = parse_box("10 20 50 100")
    assert edges(Crop("stretch").region(200, 200, box)) == (10, 20, 50, 100)
    assert edges(Crop("crop").region(200, 200, box)) == (10, 40, 50, 80)
    assert edges(Crop("pad", 0.5).region(200, 200, box)) == (10, 40, 50, 80)
    assert Crop("stretch").region(40, 80, parse_box("0 0 40 80")) is None


@pytest.mark.parametrize("angle", [0, 30, 90, 200])
@pytest.mark.parametrize("size", [24, 100, 180])
def test_a_rotated_box_gives_the_upright_face(angle: float, size: int) -> None:
    face = cv2.GaussianBlur(picture(300, 300), (0, 0), 3)
    turn = cv2.getRotationMatrix2D((150, 150), angle, 0.5)  # into a scene, at half the size
    turn[:, 2] += (100, 60)
    scene = cv2.warpAffine(face, turn, (500, 400), flags=cv2.INTER_AREA)
    centres = np.array([[0, 0, 1], [300, 0, 1], [300, 300, 1], [0, 300, 1]]) - (0.5, 0.5, 0)  # OpenCV counts from centres
    corners = centres @ turn.T + 0.5
    box = parse_box(" ".join(str(number) for number in corners.ravel()))
    assert box.sides == pytest.approx((150, 150))
    found = Crop("crop", 0.9)(scene, size, box).astype(int)
    assert np.abs(found - Crop("crop", 0.9)(face, size)).mean() < 1


def test_a_face_is_shown_with_the_square_around_its_box(tmp_path: Path) -> None:
    image = picture(90, 60)
    Image.fromarray(image).save(tmp_path / "a.png")
    assert np.array_equal(read_face(tmp_path, {"path": "a.png"}), image)
    face = {"path": "a.png#10 20 50 50", "file": "a.png", "box": "10 20 50 50"}
    assert np.array_equal(read_face(tmp_path, face), image[15:55, 10:50])
    assert read_face(tmp_path, {**face, "box": "-1000000 0 1000000 50"}).shape == (90, 90, 3)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_a_whole_square_image_has_the_pixels_of_earlier_versions(fit: str) -> None:
    image = picture(200, 200)
    assert np.array_equal(Crop(fit)(image, 112), cv2.resize(image, (112, 112), interpolation=cv2.INTER_AREA))
    assert np.array_equal(EARLIER(picture(150, 200), 64), squared(picture(150, 200), 64))


@pytest.mark.parametrize("crop", [Crop("pad", 1.1, "black"), Crop("crop", 1.1), Crop("crop", 0.1), Crop("stretch", 1.1)])
@pytest.mark.parametrize("shape", [(16, 70_000), (70_000, 16)])
def test_very_long_images_are_cropped(crop: Crop, shape: tuple[int, int]) -> None:
    result = crop(np.full((*shape, 3), 200, np.uint8), 32)
    assert result.shape == (32, 32, 3) and (result.max() <= 1 if crop.fit == "pad" else (result[16, 16] == 200).all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("zoom",), r"data.fit=zoom: expected stretch, crop, pad"),
        (("crop", 0), r"data.crop_scale=0: expected a number from 0.1 to 10"),
        (("crop", float("nan")), r"data.crop_scale=nan: expected"),
        (("crop", "big"), r"data.crop_scale=big: expected"),
        (("crop", 1.0, "white"), r"data.outside=white: expected black, reflect, replicate"),
    ],
)
def test_other_values_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        Crop(*arguments)


def test_other_images_get_the_crop_that_all_datasets_of_the_training_had() -> None:
    one, other = Crop(), Crop(scale=0.8)
    assert crop_for("new", {"a": other, "b": other}) == other
    assert crop_for("b", {"a": one, "b": other}) == other
    with pytest.raises(AgeGenderError, match=r"data.crop_scale: required for new, .*several values \(a 1, b 0.8\)"):
        crop_for("new", {"a": one, "b": other})


@pytest.mark.parametrize("text", ["0 0 1000000 1000000", "-1000000 -1000000 1000000 1000000", "0 0 1000000 300"])
def test_a_box_of_a_million_pixels_needs_little_memory(text: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    allocated = []
    warp = cv2.warpAffine

    def recorded(source: np.ndarray, matrix: np.ndarray, size: tuple[int, int], **more: Any) -> np.ndarray:
        allocated.append(size[0] * size[1])
        return np.asarray(warp(source, matrix, size, **more))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "warpAffine", recorded)
        Crop("stretch", 10)(image, 32, parse_box(text))
    assert allocated and max(allocated) <= (16 * 32) ** 2
