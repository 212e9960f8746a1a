import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference import faces as module
from agegender.inference.faces import YuNet, download_yunet, yunet_file


def test_yunet_finds_real_faces_upright_and_turned(shared: Path) -> None:
    yunet = YuNet(shared / "weights" / "face_detection_yunet.onnx")
    files = sorted((shared / "data" / "utkface").glob("3[0-9]_*.jpg"))[::600]
    for file in files:
        image = cv2.imread(str(file))[..., ::-1]
        assert len(yunet(image)) == 1, file
        turned = cv2.getRotationMatrix2D((100, 100), 15, 1.5)
        turned[:, 2] += (300, 200)
        photo = cv2.warpAffine(image, turned, (800, 600), borderValue=(127, 127, 127))
        face = yunet(photo)[0]
        assert 150 < face.box[2] - face.box[0] < 400
        assert face.landmarks is not None
        left, right = face.landmarks[:2]
        assert np.degrees(np.arctan2(*(right - left)[::-1])) == pytest.approx(-15, abs=12)  # cv2 turns against the clock
    assert yunet(np.zeros((3000, 2000, 3), np.uint8)) == yunet(np.zeros((16, 700, 3), np.uint8)) == []


def test_yunet_finds_a_face_at_the_same_place_in_photos_of_any_size(shared: Path) -> None:
    yunet = YuNet(shared / "weights" / "face_detection_yunet.onnx")
    image = cv2.imread(str(min((shared / "data" / "utkface").glob("30_*.jpg"))))[..., ::-1]
    [alone] = yunet(image)
    for height, width in ((200, 201), (230, 500), (640, 640), (480, 360)):
        photo = np.zeros((height, width, 3), np.uint8)
        photo[:200, :200] = image
        face = yunet(photo)[0]
        np.testing.assert_allclose(face.landmarks, alone.landmarks, atol=6)


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
