"""Databases of the benchmark: labels, boxes, folders, rows that are skipped, and files that are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.sources.facebase import Facebase

QUAD = [21, 69, 569, 103, 535, 652, -13, 617]
ROW = {
    "img_path": "DB/a.jpg",
    "age": 16,
    "folder": 3,
    "aligned_bbox": QUAD,
    "alignment_source": "in the wild",
    "database": "DB",
}


def source(root: Path, *rows: Any, missing: Any = "error") -> Facebase:
    (root / "DB").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (root / "DB" / name).touch()
    (root / "DB_aligned.json").write_text(json.dumps([{**ROW, **row} for row in rows], indent=4))
    return Facebase(str(root), "DB_aligned.json", "DB", missing=missing)


def test_faces_have_labels_boxes_folders_and_persons(tmp_path: Path) -> None:
    table = source(
        tmp_path,
        {"id_num": 9, "gender": "M", "race": "White"},
        {"id_num": 9, "gender": "F", "age": 0, "folder": 4, "aligned_bbox": [0, 0, 10.5, 0, 10.5, 9, 0, 9]},
        {"img_path": "DB/b.jpg", "id_num": 10, "age": -1, "gender": "F", "race": "U"},
        {"img_path": "DB/b.jpg", "name": "Maria", "gender": "U", "aligned_bbox": [], "bbox": [1, 2, 11, 2, 11, 22, 1, 22]},
    ).read()
    frame = table.frame
    assert table.boxes()[0] == "21 69 569 103 535 652 -13 617" and table.boxes()[1] == "0 0 10.5 0 10.5 9 0 9"
    assert [file.name for file in table.files()] == ["a.jpg", "a.jpg", "b.jpg", "b.jpg"]
    np.testing.assert_array_equal(frame[["age_low", "age_high"]], [[16, 16], [0, 0], [np.nan, np.nan], [16, 16]])
    assert frame["gender"].astype(object).where(frame["gender"].notna(), None).tolist() == [0, 1, 1, None]
    assert frame["race"].isna().tolist() == [False, True, True, True]
    assert frame["fold"].tolist() == ["3", "4", "3", "3"]
    assert frame["group"].tolist() == ["DB/9", "DB/9", "DB/10", "DB/Maria"]
    assert table.notes == ["DB: 1 of 4 faces have no alignment: their bbox is used"]


def test_rows_without_a_possible_face_are_skipped_with_a_reason(tmp_path: Path) -> None:
    table = source(
        tmp_path,
        {},
        {"age": 20},
        {"aligned_bbox": []},
        {"aligned_bbox": [0] * 8},
        {"aligned_bbox": [0, 0, 0, 9, 9, 9, 9, 0]},
        {"aligned_bbox": [0, 0, 9, 9, 9, 0, 0, 9]},
        {"aligned_bbox": [0, 0, float("nan"), 0, 9, 9, 0, 9]},
        {"aligned_bbox": [0, 0, 2_000_000, 0, 9, 9, 0, 9]},
        {"aligned_bbox": [0, 0, 9]},
        {"aligned_bbox": ["left"] * 8},
        {"aligned_bbox": 3},
        {"img_path": "DB/b.jpg", "age": -1, "gender": "U"},
    ).read()
    assert len(table) == 1 and table.frame["age_low"].tolist() == [16]
    assert [one.reason for one in table.skipped] == [
        f"{reason}: DB_aligned.json row {number}"
        for number, reason in enumerate(
            [
                "second row of this box",
                "no alignment and no box of a face",
                "box has no area",
                "box has swapped corners",
                "box crosses itself or is not convex",
                "box has coordinates that are not finite or above 1000000 pixels",
                "box has coordinates that are not finite or above 1000000 pixels",
                "box has 3 numbers instead of 4 or 8",
                "box is not numbers",
                "box is not numbers",
                "age and gender are unknown",
            ],
            2,
        )
    ]


def test_missing_pictures_are_an_error_or_skipped(tmp_path: Path) -> None:
    faces = source(tmp_path, {}, *({"img_path": f"DB/{i}.jpg"} for i in range(7)))
    with pytest.raises(
        AgeGenderError, match=r"^7 rows of DB_aligned.json have no image in .*: row 2, 3, 4, 5, 6, ...; set data.mis"
    ):
        faces.read()
    faces.missing = "skip"
    table = faces.read()
    assert len(table) == 1 and "7 rows of DB_aligned.json have no image" in table.notes[0]
    assert {one.reason.partition(":")[0] for one in table.skipped} == {"image not found"} and len(table.skipped) == 7


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"age": "old"}, r"DB_aligned.json row 1: age=old: expected 0 to 120 years, or -1"),
        ({"age": True}, r"row 1: age=True: expected 0 to 120"),
        ({"age": 121}, r"row 1: age=121: expected 0 to 120"),
        ({"gender": "m"}, r"row 1: gender=m: expected M, F, U or -1"),
        ({"gender": ["M"]}, r"row 1: gender=\['M'\]: expected M, F"),
        ({"race": 3}, r"row 1: race=3: expected a word"),
        ({"img_path": "../a.jpg"}, r"row 1: img_path=../a.jpg is outside data.root"),
        ({"img_path": None}, r"row 1: img_path=None: expected the path of a picture"),
        ({"aligned_bbox": []}, r"DB_aligned.json has no face with a box in .*no alignment and no box of a face"),
    ],
)
def test_wrong_values_are_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=message):
        source(tmp_path, row).read()


def test_unknown_values_of_pandas_are_unknown(tmp_path: Path) -> None:
    frame = source(tmp_path, {"gender": float("nan"), "race": None, "folder": 3.0, "id_num": float("nan")}).read().frame
    assert frame["gender"].isna().all() and frame["fold"].tolist() == ["3"] and frame["group"].tolist() == ["DB/DB/a.jpg"]


def test_folders_that_are_dealt_in_the_order_of_rows_are_noted(tmp_path: Path) -> None:
    boxes = [[i, 0, i + 9, 0, i + 9, 9, i, 9] for i in range(6)]
    table = source(tmp_path, *({"folder": i % 3, "aligned_bbox": box} for i, box in enumerate(boxes))).read()
    note = (
        "DB: the file has no persons, and its folders are dealt in the order of its rows: one person may be in several folders"
    )
    assert table.notes == [note]
    (tmp_path / "other").mkdir()
    shuffled = source(tmp_path / "other", *({"folder": (i * i) % 3, "aligned_bbox": box} for i, box in enumerate(boxes))).read()
    assert shuffled.notes == ["DB: the file has no persons: one person may be in several folders"]


def test_the_labels_of_fgnet_are_read(shared: Path, tmp_path: Path) -> None:
    file = shared / "data/splits/facebase/FG-Net_aligned.json"
    if not file.is_file():
        pytest.skip("the labels of FG-NET are not here")
    (tmp_path / "FG-NET/images").mkdir(parents=True)
    for row in json.loads(file.read_text()):
        (tmp_path / row["img_path"]).touch()
    table = Facebase(str(tmp_path), str(file), "FG-Net").read()
    assert len(table) == 1002 and not table.skipped and not table.notes
    assert table.frame["group"].nunique() == table.frame["fold"].nunique() == 82
    assert (table.frame["age_low"].min(), table.frame["age_low"].max()) == (0, 69)
