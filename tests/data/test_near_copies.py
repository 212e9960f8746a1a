"""Near-identical copies: re-encoded and resized images are found and grouped; different images are not."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.data.near_copies import BITS, group_near_copies, near_pairs, perceptual_hash
from agegender.data.scan import scan
from agegender.data.splits import RandomSplit
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable
from agegender.sources.utkface import UTKFace

SHARED = Path(os.environ.get("AGEGENDER_SHARED", Path(__file__).parents[2].parent / "shared"))


def picture(seed: int, side: int = 96) -> np.ndarray:
    """A smooth random RGB image with noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 4, (side, side, 3))
    return smooth.clip(0, 255).astype(np.uint8)


def encode(image: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def decode(data: bytes) -> np.ndarray:
    return np.ascontiguousarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])


def distance(a: np.ndarray, b: np.ndarray) -> int:
    first, second = (np.unpackbits(np.frombuffer(perceptual_hash(image), np.uint8)) for image in (a, b))
    return int((first != second).sum())


def brute_force(hashes: np.ndarray, threshold: int) -> list[tuple[int, int]]:
    bits = [np.unpackbits(one) for one in hashes]
    return [(i, j) for i in range(len(bits)) for j in range(i + 1, len(bits)) if (bits[i] != bits[j]).sum() <= threshold]


def test_bits_say_which_low_frequencies_are_above_the_median() -> None:
    """The reference computes the discrete cosine transform by its definition."""
    image = picture(1)
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA).astype(float)
    wave = np.cos(np.pi / 32 * (np.arange(32)[None] + 0.5) * np.arange(16)[:, None])
    size = np.where(np.arange(16) == 0, np.sqrt(1 / 32), np.sqrt(2 / 32))
    waves = (wave @ grey @ wave.T * np.outer(size, size)).ravel()
    expected = waves > np.median(waves[1:])
    expected[0] = False
    found = np.unpackbits(np.frombuffer(perceptual_hash(image), np.uint8)).astype(bool)
    assert len(found) == BITS
    assert (found != expected).sum() <= 1  # rounding may change the bit of the median itself


@pytest.mark.parametrize("seed", range(5))
def test_copies_differ_in_few_bits_and_other_images_in_many(seed: int) -> None:
    image = picture(seed)
    copies = [decode(encode(image, quality)) for quality in (60, 75, 90)]
    copies += [cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for scale in (0.5, 0.7, 2)]
    copies += [np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2), (image * 0.8 + 20).astype(np.uint8)]
    assert max(distance(image, copy) for copy in copies) <= 24
    assert min(distance(image, picture(other)) for other in range(100, 120)) > 64


@pytest.mark.parametrize("threshold", [0, 1, 5, 16, 33, 64])
def test_near_pairs_equal_a_comparison_of_all_pairs(threshold: int) -> None:
    rng = np.random.default_rng(threshold)
    seeds = rng.integers(0, 2, (12, BITS), dtype=np.uint8)
    bits = np.repeat(seeds, 12, axis=0)
    for row in bits:
        row[rng.choice(BITS, int(rng.integers(0, threshold + 3)), replace=False)] ^= 1
    hashes = np.packbits(bits, axis=1)
    expected = brute_force(hashes, threshold)
    assert expected and near_pairs(hashes, threshold).tolist() == [list(pair) for pair in expected]


def test_near_pairs_are_complete_if_many_candidates_share_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidates of one piece are more than a block holds."""
    monkeypatch.setattr("agegender.data.near_copies._BLOCK", 50)
    hashes = np.packbits(np.random.default_rng(0).random((150, BITS)) < 0.04, axis=1)
    expected = brute_force(hashes, 12)
    assert len(expected) > 100 and near_pairs(hashes, 12).tolist() == [list(pair) for pair in expected]


def test_near_pairs_of_no_or_one_hash() -> None:
    assert near_pairs(np.empty((0, BITS // 8), dtype=np.uint8), 8).shape == (0, 2)
    assert near_pairs(np.zeros((1, BITS // 8), dtype=np.uint8), 8).shape == (0, 2)


def folder(root: Path, **files: bytes) -> FaceTable:
    for name, data in files.items():
        (root / f"{name}.jpg").write_bytes(data)
    return FaceTable.of("d", root, {"path": [f"{name}.jpg" for name in files]})


def test_near_copies_get_one_group(tmp_path: Path) -> None:
    first, other = picture(1), picture(2)
    small = cv2.resize(first, (60, 60), interpolation=cv2.INTER_AREA)
    faces = folder(
        tmp_path, a=encode(other, 95), b=encode(first, 95), c=encode(first, 70), d=encode(small, 90), e=encode(first, 95)
    )
    scanned = scan(faces, None, progress=False)
    assert scanned.frame["group"].tolist() == ["d/a.jpg", "d/b.jpg", "d/c.jpg", "d/d.jpg", "d/b.jpg"]
    grouped = group_near_copies(scanned, 32)
    assert grouped.frame["group"].tolist() == ["d/a.jpg", "d/b.jpg", "d/b.jpg", "d/b.jpg", "d/b.jpg"]
    assert grouped.notes == [
        "4 faces are near-identical copies of 1 images; the copies of an image go to the same split "
        "(data.near_copies=32 of 256 bits)"
    ]
    assert scanned.frame["group"].nunique() == 4 and scanned.notes == []
    assert group_near_copies(scanned, None) is scanned


def test_groups_of_the_source_are_merged(tmp_path: Path) -> None:
    faces = folder(
        tmp_path, a=encode(picture(1), 95), b=encode(picture(1), 70), c=encode(picture(2), 95), d=encode(picture(3), 95)
    )
    faces.frame["group"] = ["anna", "x", "anna", "x"]
    assert set(group_near_copies(scan(faces, None, progress=False), 32).frame["group"]) == {"anna"}


def test_copies_go_to_the_same_split(tmp_path: Path) -> None:
    files = {f"{i}{size}": encode(cv2.resize(picture(i), (size, size)), 90) for i in range(30) for size in (64, 96)}
    grouped = group_near_copies(scan(folder(tmp_path, **files), None, progress=False), 32)
    split = RandomSplit((0.5, 0.25, 0.25), seed=3).assign(grouped).frame
    assert split["group"].nunique() == 30
    assert (split.groupby("group")["split"].nunique() == 1).all() and split["split"].nunique() == 3


def test_a_uniform_image_has_a_hash() -> None:
    flat = np.full((40, 40, 3), 128, dtype=np.uint8)
    assert len(perceptual_hash(flat)) == BITS // 8
    assert perceptual_hash(flat) == perceptual_hash(flat + 20)


@pytest.mark.parametrize("threshold", [-1, 65, 256])
def test_a_threshold_out_of_range_raises(tmp_path: Path, threshold: int) -> None:
    scanned = scan(folder(tmp_path, a=encode(picture(1), 95)), None, progress=False)
    with pytest.raises(
        AgeGenderError, match=rf"data\.near_copies={threshold} must be null or between 0 and 64 \(of 256 bits\)"
    ):
        group_near_copies(scanned, threshold)


def test_a_second_scan_has_the_same_hashes(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    faces = folder(tmp_path / "faces", a=encode(picture(1), 95), b=encode(picture(2), 95))
    first = scan(faces, tmp_path / "cache", progress=False)
    again = scan(faces, tmp_path / "cache", progress=False)
    expected = [perceptual_hash(decode(file.read_bytes())).hex() for file in faces.files()]
    assert first.frame["phash"].tolist() == again.frame["phash"].tolist() == expected


@pytest.mark.skipif(not (SHARED / "data/utkface").is_dir(), reason="UTKFace is not available")
def test_copies_of_utkface_faces(tmp_path: Path) -> None:
    """For 100 faces, a re-encoded and a half-size copy each are found, and nothing else is grouped."""
    paths = UTKFace(str(SHARED / "data/utkface")).read().frame["path"][::190][:100]
    files = {}
    for number, path in enumerate(paths):
        image = decode((SHARED / "data/utkface" / path).read_bytes())
        half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        files |= {f"{number}a": encode(image, 95), f"{number}b": encode(image, 60), f"{number}c": encode(half, 80)}
    grouped = group_near_copies(scan(folder(tmp_path, **files), None, progress=False), 32)
    numbers = grouped.frame["path"].str.extract(r"(\d+)")[0]
    assert grouped.frame.groupby(numbers)["group"].nunique().eq(1).all()
    assert grouped.frame["group"].nunique() == 100
