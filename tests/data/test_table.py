"""The table of faces: read from several sources, scanned, restricted to an age range, cleaned and split."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.data.file_split import FileSplit
from agegender.data.splits import RandomSplit, Split
from agegender.data.table import read_faces, select_faces
from agegender.errors import AgeGenderError
from agegender.sources import images
from agegender.sources.faces import FaceTable, Skipped
from agegender.sources.utkface import UTKFace


@pytest.fixture
def root(make_utkface: Callable[..., Path], tmp_path: Path) -> Path:
    return make_utkface(tmp_path / "faces", 20)


def named(root: Path, age: int, number: int) -> Path:
    return root / f"{age}_0_0_{20180101000000000 + number}.jpg.chip.jpg"


def test_faces_of_all_sources_have_hashes_and_row_numbers(
    root: Path, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    other = make_utkface(tmp_path / "other", 3, 1)
    faces = read_faces({"a": UTKFace(str(root)), "b": UTKFace(str(other), name="other")}, None, progress=False)
    assert faces.frame["dataset"].tolist() == ["utkface"] * 20 + ["other"] * 3
    assert faces.frame["row"].tolist() == list(range(23))
    assert faces.frame["sha256"].str.len().eq(64).all() and faces.frame["phash"].str.len().eq(64).all()


def test_near_copies_are_grouped_if_asked_for(root: Path) -> None:
    face = next(iter(root.iterdir()))
    smooth = cv2.resize(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8), (96, 96))
    cv2.imwrite(str(face), smooth, [cv2.IMWRITE_JPEG_QUALITY, 95])
    cv2.imwrite(str(named(root, 30, 1)), smooth, [cv2.IMWRITE_JPEG_QUALITY, 70])
    source = {"a": UTKFace(str(root))}
    assert read_faces(source, None, progress=False).frame["group"].nunique() == 21
    grouped = read_faces(source, None, progress=False, near_copies=32).frame
    assert set(grouped["path"][grouped["group"].duplicated(keep=False)]) == {face.name, named(root, 30, 1).name}


def encoded_again(root: Path, target: Path, number: int) -> Path:
    """A second dataset of the first faces of another, encoded again under other names."""
    target.mkdir()
    for file in sorted(root.iterdir())[:number]:
        cv2.imwrite(str(target / file.name.replace("_2017", "_2019")), cv2.imread(str(file)), [cv2.IMWRITE_JPEG_QUALITY, 94])
    return target


@pytest.mark.parametrize("split", ["random", "file"])
def test_near_copies_in_different_datasets_are_not_in_different_splits(split: str, root: Path, tmp_path: Path) -> None:
    again = encoded_again(root, tmp_path / "again", 8)
    faces = read_faces({"a": UTKFace(str(root)), "b": UTKFace(str(again), name="b")}, None, False, near_copies=32)
    assert any("16 faces are near-identical copies of 8 images" in note for note in faces.notes)
    rule: Split = RandomSplit((0.5, 0.25, 0.25))
    if split == "file":
        for name, folder in (("train", root), ("test", again)):
            (tmp_path / f"{name}.csv").write_text("\n".join(["file", *(file.name for file in folder.iterdir())]))
        rule = FileSplit(str(tmp_path / "train.csv"), str(tmp_path / "test.csv"), val_fraction=0)
    selected = select_faces(faces, rule, [0, 116], "drop_conflicting")
    assert selected.frame.groupby("group")["split"].nunique().max() == 1
    dropped = [one for one in selected.skipped if "in the same group as" in one.reason]
    assert dropped and len(selected) == 28 - len(dropped)
    assert sum(int(note.split()[0]) for note in selected.notes if "in the same group as held-out" in note) == len(dropped)
    if split == "file":
        assert len(dropped) == 8 and selected.frame["split"].value_counts().to_dict() == {"train": 12, "test": 8}


def test_links_that_lead_outside_the_root_are_counted(root: Path, tmp_path: Path) -> None:
    inside, *moved = sorted(root.iterdir())[:3]
    for number, file in enumerate(moved):
        file.rename(tmp_path / f"{number}.jpg")
        file.symlink_to(f"../{number}.jpg")
    named(root, 30, 1).symlink_to(inside.name)
    (tmp_path / "link").symlink_to(root)  # a root that is a link itself
    for folder in (root, tmp_path / "link"):
        faces = read_faces({"a": UTKFace(str(folder))}, None, progress=False)
        assert len(faces) == 21 and faces.skipped == []
        example = f"{folder / moved[0].name} leads to {tmp_path}/0.jpg"
        assert faces.notes == [f"2 files are symbolic links to files outside data.root, for example {example}"]


def test_a_second_call_decodes_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_faces({"a": UTKFace(str(root))}, tmp_path / "cache", progress=False)
    monkeypatch.setattr(images, "decode", lambda data: pytest.fail("decoded again"))
    assert read_faces({"a": UTKFace(str(root))}, tmp_path / "cache", progress=False).frame.equals(first.frame)


def test_selection_drops_ages_outside_the_range_and_conflicting_copies_and_keeps_row_numbers(root: Path) -> None:
    cv2.imwrite(str(named(root, 100, 1)), np.full((24, 24, 3), 7, np.uint8))
    copied = sorted(root.iterdir())[3]
    shutil.copy(copied, named(root, 95, 2))
    faces = read_faces({"a": UTKFace(str(root))}, None, progress=False)
    selected = select_faces(faces, RandomSplit((0.5, 0.25, 0.25)), [1, 95], "drop_conflicting")
    reasons = {one.path: one.reason for one in selected.skipped}
    assert set(reasons) == {f"utkface/{file.name}" for file in (named(root, 100, 1), copied, named(root, 95, 2))}
    assert reasons[f"utkface/{named(root, 100, 1).name}"] == "age outside age_range=[1, 95]"
    assert "1 faces dropped: their age is outside age_range=[1, 95]" in selected.notes
    assert len(selected) == 19 and selected.frame["split"].notna().all()
    kept = faces.frame.set_index("row").loc[selected.frame["row"], "path"]
    assert kept.tolist() == selected.frame["path"].tolist()
    assert len(select_faces(faces, RandomSplit((0.5, 0.25, 0.25)), [1, 95], "keep")) == 21


def test_a_folder_without_a_readable_face_raises(root: Path) -> None:
    for file in root.iterdir():
        file.write_text("no image")
    with pytest.raises(AgeGenderError, match="none of 20 files is a usable image"):
        read_faces({"a": UTKFace(str(root))}, None, progress=False)


def test_sources_without_faces_raise_with_a_reason(tmp_path: Path) -> None:
    class Empty:
        root, skipped = tmp_path, [Skipped("d/a.txt", "not an image")]

        def read(self) -> FaceTable:
            return FaceTable.of("d", self.root, {"path": []}, self.skipped)

    with pytest.raises(AgeGenderError, match=rf"^no face in {tmp_path}; for example, d/a\.txt: not an image$"):
        read_faces({"a": Empty()}, None, progress=False)  # type: ignore[dict-item]
    Empty.skipped = []
    with pytest.raises(AgeGenderError, match=rf"^no face in {tmp_path}$"):
        read_faces({"a": Empty()}, None, progress=False)  # type: ignore[dict-item]


def test_an_age_range_without_faces_raises(root: Path) -> None:
    faces = read_faces({"a": UTKFace(str(root))}, None, progress=False)
    with pytest.raises(AgeGenderError, match=r"age_range=\[110, 116\] contains the age of none of 20 faces"):
        select_faces(faces, RandomSplit(), [110, 116], "keep")
