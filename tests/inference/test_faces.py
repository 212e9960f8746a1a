import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference import faces as module
from agegender.inference.faces import DetectedFace, FacePlace, YuNet, cut, download_yunet, yunet_file

MARKS = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.35, 0.7], [0.65, 0.7]])
PLACE = FacePlace((0.1, 0.1, 0.9, 0.9), tuple(map(tuple, MARKS.tolist())), 1, 1)


def chip(size: int = 96) -> np.ndarray:
    """A smooth pattern without symmetry."""
    y, x = np.mgrid[:size, :size] / size
    return np.stack([255 * x, 255 * y, 127 + 120 * np.sin(9 * x) * np.cos(7 * y)], axis=2).astype(np.uint8)


def placed(face: np.ndarray, angle: float, scale: float, centre: tuple[float, float]) -> tuple[np.ndarray, DetectedFace]:
    """The face turned, scaled and put into a grey photo, with what a perfect detector says."""
    side = len(face)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, scale)
    matrix[:, 2] += np.subtract(centre, (side - 1) / 2)
    photo = np.full((600, 800, 3), 127, np.uint8)
    cv2.warpAffine(face, matrix, (800, 600), photo, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)

    def moved(points: np.ndarray) -> np.ndarray:  # points in continuous coordinates: a pixel's centre is at its half
        return (points * side - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5

    corners = moved(np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]))
    box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    return photo, DetectedFace(box, 0.9, moved(MARKS))


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (0, 3.1), (0, 0.6), (25, 2), (-40, 1.3), (180, 1.5)])
def test_cut_gives_back_a_face_that_was_turned_and_scaled(angle: float, scale: float) -> None:
    photo, face = placed(chip(), angle, scale, (400.3, 290.8))
    found = cut(photo, face, PLACE, 96)
    inner = slice(4, -4)  # the edge of the pasted face is blended with the grey
    assert np.abs(found[inner, inner].astype(int) - chip()[inner, inner]).mean() < 2


def test_without_landmarks_the_box_is_fitted() -> None:
    photo, face = placed(chip(), 0, 2, (400, 300))
    found = cut(photo, DetectedFace(face.box, 0.9), PLACE, 96)
    assert np.abs(found[4:-4, 4:-4].astype(int) - chip()[4:-4, 4:-4]).mean() < 2


def test_shrinking_averages_as_pillow_does() -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    photo = cv2.GaussianBlur(rng.integers(0, 256, (512, 512, 3)).astype(np.uint8), (0, 0), 1)
    face = DetectedFace((51.2, 51.2, 460.8, 460.8), 0.9)  # the place of the box: the whole photo is the crop
    expected = np.asarray(Image.fromarray(photo).resize((64, 64), Image.Resampling.BOX)).astype(int)
    found = cut(photo, face, PLACE, 64).astype(int)
    skipped = photo[4::8, 4::8].astype(int)
    assert np.abs(found - expected).mean() < 1 < np.abs(skipped - expected).mean()


def test_outside_the_photo_its_edge_is_mirrored() -> None:
    photo = np.full((100, 100, 3), 200, np.uint8)
    assert (cut(photo, DetectedFace((-50, -50, 60, 60), 0.9), PLACE, 32) == 200).all()


def test_place_is_the_median_over_the_crops(photo: Callable[..., np.ndarray], detector: Callable) -> None:
    crops = [photo((10, 20, side), size=(100, 100)) for side in (40, 50, 60)]
    place = FacePlace.measure([*crops, photo(size=(100, 100))], detector)
    assert place.box == pytest.approx((0.1, 0.2, 0.6, 0.7))
    assert (place.faces, place.images) == (3, 4)
    assert np.allclose(place.landmarks, MARKS * 0.5 + (0.1, 0.2))
    assert FacePlace.of({"box": [*place.box], "landmarks": [*place.landmarks], "faces": 3, "images": 4}) == place


def test_place_is_unknown_if_most_crops_have_no_face(photo: Callable[..., np.ndarray], detector: Callable) -> None:
    with pytest.raises(AgeGenderError, match="finds a face in 1 of 3 training crops"):
        FacePlace.measure([photo((10, 20, 40), size=(100, 100)), *[photo(size=(100, 100))] * 2], detector)


def test_yunet_finds_real_faces_upright_and_turned(shared: Path) -> None:
    yunet = YuNet(shared / "weights" / "face_detection_yunet.onnx")
    files = sorted((shared / "data" / "utkface").glob("3[0-9]_*.jpg"))[::600]
    for file in files:
        image = cv2.imread(str(file))[..., ::-1]
        assert len(yunet(image)) == 1, file
        photo, _ = placed(np.ascontiguousarray(image), 15, 1.5, (400, 300))
        face = yunet(photo)[0]
        assert 150 < face.box[2] - face.box[0] < 400
        assert face.landmarks is not None
        left, right = face.landmarks[:2]
        assert np.degrees(np.arctan2(*(right - left)[::-1])) == pytest.approx(-15, abs=12)  # cv2 turns against the clock
    assert yunet(np.zeros((3000, 2000, 3), np.uint8)) == []


@pytest.mark.parametrize("content", [b"", b"not onnx"])
def test_other_weights_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.onnx").write_bytes(content)
    with pytest.raises(AgeGenderError, match="cannot read them as a YuNet model"):
        YuNet(tmp_path / "w.onnx")
    with pytest.raises(AgeGenderError, match="cannot be read: No such file"):
        YuNet(tmp_path / "none.onnx")


def test_download_checks_the_file_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "served").write_bytes(b"weights")
    url = (tmp_path / "served").as_uri()
    with pytest.raises(AgeGenderError, match="refused: its SHA-256"):
        download_yunet(url)
    assert not yunet_file().exists()
    monkeypatch.setattr(module, "YUNET_SHA256", hashlib.sha256(b"weights").hexdigest())
    assert download_yunet(url).read_bytes() == b"weights"
    (tmp_path / "served").unlink()
    assert download_yunet(url) == yunet_file()  # not fetched again
    yunet_file().unlink()
    with pytest.raises(AgeGenderError, match="cannot be downloaded"):
        download_yunet(url)
