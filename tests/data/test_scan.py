"""The scan: unreadable and identical files, and stored results that are used until a file changes."""

import hashlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.data.scan import scan
from agegender.errors import AgeGenderError
from agegender.sources import images
from agegender.sources.faces import FaceTable


def write(path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", noise)[1].tobytes())


def folder(root: Path, faces: int = 5) -> FaceTable:
    for i in range(faces):
        write(root / f"{i}.jpg", i)
    shutil.copy(root / "1.jpg", root / "copy.jpg")
    return FaceTable.of("d", root, {"path": [*(f"{i}.jpg" for i in range(faces)), "copy.jpg"]})


@pytest.fixture
def files_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that have been read; the test may clear the list."""
    names: list[str] = []
    read_bytes = images.read_bytes
    monkeypatch.setattr(images, "read_bytes", lambda path: (names.append(path.name), read_bytes(path))[1])
    return names


def test_hashes_groups_and_unreadable_files(tmp_path: Path) -> None:
    faces = folder(tmp_path)
    cv2.imwrite(str(tmp_path / "0.jpg"), np.zeros((20, 30, 3), dtype=np.uint8))
    (tmp_path / "2.jpg").write_bytes((tmp_path / "2.jpg").read_bytes()[:300])
    (tmp_path / "3.jpg").unlink()
    (tmp_path / "4.jpg").write_text("no picture")
    scanned = scan(faces, None, progress=False)
    assert scanned.frame["path"].tolist() == ["0.jpg", "1.jpg", "copy.jpg"]
    assert scanned.frame["group"].tolist() == ["d/0.jpg", "d/1.jpg", "d/1.jpg"]
    expected = [hashlib.sha256(file.read_bytes()).hexdigest() for file in scanned.files()]
    assert scanned.frame["sha256"].tolist() == expected
    assert scanned.frame[["width", "height"]].to_numpy().tolist() == [[30, 20], [32, 32], [32, 32]]
    reasons = {one.path: one.reason for one in scanned.skipped}
    assert set(reasons) == {"d/2.jpg", "d/3.jpg", "d/4.jpg"}
    assert reasons["d/2.jpg"] == "truncated JPEG"
    assert "No such file" in reasons["d/3.jpg"] and "not an image" in reasons["d/4.jpg"]
    assert "sha256" not in faces.frame and faces.skipped == []


def test_groups_of_the_source_are_kept_and_merged(tmp_path: Path) -> None:
    folder(tmp_path, 3)
    columns = {"path": ["0.jpg", "1.jpg", "2.jpg", "copy.jpg"], "group": ["x", "x", "z", "y"]}
    scanned = scan(FaceTable.of("d", tmp_path, columns), None, progress=False)
    assert scanned.frame["group"].tolist() == ["x", "x", "z", "x"]


def test_a_second_scan_reads_nothing_and_has_the_same_result(tmp_path: Path, files_read: list[str]) -> None:
    faces = folder(tmp_path / "faces")
    (tmp_path / "faces/2.jpg").write_text("no picture")
    first = scan(faces, tmp_path / "cache", progress=False)
    assert len(files_read) == 6
    files_read.clear()
    second = scan(faces, tmp_path / "cache", progress=False)
    assert files_read == []
    assert second.frame.equals(first.frame) and second.skipped == first.skipped


def test_nothing_is_written_without_a_cache_folder(tmp_path: Path, files_read: list[str]) -> None:
    faces = folder(tmp_path / "faces")
    scan(faces, None, progress=False)
    scan(faces, None, progress=False)
    assert len(files_read) == 12
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_a_changed_file_is_read_again(tmp_path: Path, files_read: list[str]) -> None:
    faces = folder(tmp_path / "faces")
    changed = tmp_path / "faces/3.jpg"
    before = scan(faces, tmp_path / "cache", progress=False).frame["sha256"]
    files_read.clear()
    # The new file has the same name, size and modification time, and is written right after the scan.
    times, data = os.stat(changed), bytearray(changed.read_bytes())
    data[-10] ^= 1
    changed.write_bytes(data)
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert os.stat(changed).st_mtime_ns == times.st_mtime_ns and os.stat(changed).st_size == times.st_size
    after = scan(faces, tmp_path / "cache", progress=False).frame["sha256"]
    assert files_read == ["3.jpg"]
    assert (before != after).tolist() == [False, False, False, True, False, False]


def test_an_unreadable_file_is_tried_again(tmp_path: Path, files_read: list[str]) -> None:
    faces = folder(tmp_path / "faces")
    (tmp_path / "faces/0.jpg").unlink()
    assert len(scan(faces, tmp_path / "cache", progress=False)) == 5
    write(tmp_path / "faces/0.jpg", 0)
    files_read.clear()
    assert len(scan(faces, tmp_path / "cache", progress=False)) == 6
    assert files_read == ["0.jpg"]


def damaged_folder(root: Path) -> FaceTable:
    """Two whole images, one cut in half with an end marker behind it, and one with noise in its second half."""
    faces = folder(root, 4)
    for name, middle in ("2.jpg", b""), ("3.jpg", np.random.default_rng(0).integers(0, 255, 300, dtype=np.uint8).tobytes()):
        data = (root / name).read_bytes()
        (root / name).write_bytes(data[: len(data) * 2 // 3] + middle + b"\xff\xd9")
    return faces


def test_damaged_images_are_skipped_with_a_reason(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    faces = damaged_folder(tmp_path)
    scanned = scan(faces, None, progress=False)
    assert scanned.frame["path"].tolist() == ["0.jpg", "1.jpg", "copy.jpg"]
    assert [one.path for one in scanned.skipped] == ["d/2.jpg", "d/3.jpg"]
    assert all(one.reason.startswith("damaged JPEG: ") for one in scanned.skipped) and scanned.notes == []
    assert "Corrupt" not in capfd.readouterr().err  # the decoder's own warning, which names no file


def test_damaged_images_are_kept_and_counted_if_asked_for(tmp_path: Path, files_read: list[str]) -> None:
    faces = damaged_folder(tmp_path / "faces")
    scan(faces, tmp_path / "cache", progress=False)
    files_read.clear()
    kept = scan(faces, tmp_path / "cache", progress=False, damaged="keep")
    assert sorted(files_read) == ["2.jpg", "3.jpg"]  # they had not been decoded
    assert len(kept) == 5 and kept.skipped == [] and kept.frame["phash"].str.len().eq(64).all()
    assert kept.notes[0].startswith("2 damaged images are kept (data.damaged=keep), for example ")
    assert "2.jpg (damaged JPEG: " in kept.notes[0]
    files_read.clear()
    assert len(scan(faces, tmp_path / "cache", progress=False, damaged="keep")) == 5
    assert len(scan(faces, tmp_path / "cache", progress=False)) == 3
    assert files_read == []


def test_a_folder_of_damaged_images_raises(tmp_path: Path) -> None:
    damaged_folder(tmp_path)
    table = FaceTable.of("d", tmp_path, {"path": ["2.jpg", "3.jpg"]})
    with pytest.raises(AgeGenderError, match=r"none of 2 files is a usable image; the first, .*2\.jpg: damaged JPEG: "):
        scan(table, None, progress=False)


def test_another_decoder_reads_all_files_again(tmp_path: Path, files_read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    faces = folder(tmp_path / "faces")
    scan(faces, tmp_path / "cache", progress=False)
    files_read.clear()
    monkeypatch.setattr(images, "DECODER", "other")
    scan(faces, tmp_path / "cache", progress=False)
    assert len(files_read) == 6


@pytest.mark.parametrize("damage", [b"", b"PAR1 nonsense", None])
def test_a_damaged_result_file_is_replaced(tmp_path: Path, files_read: list[str], damage: bytes | None) -> None:
    faces = folder(tmp_path / "faces")
    scan(faces, tmp_path / "cache", progress=False)
    (stored,) = (tmp_path / "cache").iterdir()
    stored.write_bytes(stored.read_bytes()[:-100] if damage is None else damage)
    files_read.clear()
    assert len(scan(faces, tmp_path / "cache", progress=False)) == 6
    assert len(files_read) == 6
    files_read.clear()
    scan(faces, tmp_path / "cache", progress=False)
    assert files_read == []


def test_a_cache_folder_that_cannot_be_written_raises(tmp_path: Path) -> None:
    faces = folder(tmp_path / "faces")
    (tmp_path / "file").touch()
    with pytest.raises(AgeGenderError, match=r"loader\.cache_dir=.*file.* cannot be written.*loader\.cache=none"):
        scan(faces, tmp_path / "file", progress=False)


def test_a_folder_without_a_usable_image_raises(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(AgeGenderError, match=r"none of 1 files is a usable image; the first, .*a\.jpg: empty file"):
        scan(FaceTable.of("d", tmp_path, {"path": ["a.jpg"]}), None, progress=False)
    assert len(scan(FaceTable.of("d", tmp_path, {"path": []}), None, progress=False)) == 0


def test_impossible_boxes_are_skipped_with_a_reason(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", 0)
    reasons = {
        "0 0 20 20": "",
        "-9 -9 20 20": "",
        "0 0 20 0 20 20 0 20": "",
        "0 0 20 20 20 0 0 20": "box crosses itself or is not convex: 0 0 20 20 20 0 0 20",
        "32 0 50 20": "box is outside its image: 32 0 50 20 in 32x32 pixels",
        "0 0 1000000 1000000": "box is almost wholly outside its image: 0 0 1000000 1000000 in 32x32 pixels",
        "0 0 900000 32": "box is almost wholly outside its image: 0 0 900000 32 in 32x32 pixels",
        "0 0 2000000 32": "box has coordinates that are not finite or above 1000000 pixels: 0 0 2000000 32",
        "0 0 nan 32": "box has coordinates that are not finite or above 1000000 pixels: 0 0 nan 32",
        "20 0 0 20": "box has swapped corners: 20 0 0 20",
        "5 0 5 20": "box has no area: 5 0 5 20",
    }
    scanned = scan(FaceTable.of("d", tmp_path, {"path": ["a.jpg"] * len(reasons), "box": list(reasons)}), None, progress=False)
    assert scanned.boxes() == [box for box, reason in reasons.items() if not reason]
    assert {one.path.partition("#")[2]: one.reason for one in scanned.skipped} == {box: r for box, r in reasons.items() if r}
