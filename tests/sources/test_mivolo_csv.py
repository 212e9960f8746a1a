"""Annotations of MiVOLO: labels, boxes, rows that are skipped, and files that are refused."""

from pathlib import Path

import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.sources.mivolo_csv import MivoloCsv

HEADER = "img_name,age,gender,face_x0,face_y0,face_x1,face_y1,person_x0,person_y0,person_x1,person_y1"


def folder(root: Path, *rows: str, header: str = HEADER) -> MivoloCsv:
    (root / "pictures").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (root / "pictures" / name).touch()
    (root / "faces.csv").write_text("\n".join([header, *rows]))
    return MivoloCsv(str(root), "faces.csv")


def test_faces_have_labels_boxes_and_names_of_their_own(tmp_path: Path) -> None:
    table = folder(
        tmp_path,
        "pictures/a.jpg,35,M,10,20,50,60,0,0,90,90",
        "pictures/a.jpg,20;25,F,-5,0.5,30,40,-1,-1,-1,-1",
        "pictures/b.jpg,-1,F,0,0,9,9,0,0,0,0",
    ).read()
    frame = table.frame
    assert frame["path"].tolist() == ["pictures/a.jpg#10 20 50 60", "pictures/a.jpg#-5 0.5 30 40", "pictures/b.jpg#0 0 9 9"]
    assert table.boxes() == ["10 20 50 60", "-5 0.5 30 40", "0 0 9 9"]
    assert [file.name for file in table.files()] == ["a.jpg", "a.jpg", "b.jpg"]
    assert frame["gender"].tolist() == [0, 1, 1]
    np.testing.assert_array_equal(frame[["age_low", "age_high"]], [[35, 35], [20, 25], [np.nan, np.nan]])
    assert frame["group"].tolist() == [f"mivolo_csv/pictures/{name}.jpg" for name in "aab"]  # faces of a picture share a split


def test_rows_without_a_possible_face_are_skipped_with_a_reason(tmp_path: Path) -> None:
    table = folder(
        tmp_path,
        "pictures/a.jpg,35,M,10,20,50,60,0,0,0,0",
        "pictures/a.jpg,36,M,10,20,50,60,0,0,0,0",
        "pictures/a.jpg,35,M,-1,-1,-1,-1,0,0,0,0",
        "pictures/a.jpg,35,M,50,20,10,60,0,0,0,0",
        "pictures/a.jpg,35,M,nan,20,10,60,0,0,0,0",
        "pictures/a.jpg,35,M,10,20,10,60,0,0,0,0",
        "pictures/a.jpg,-1,-1,10,20,55,60,0,0,0,0",
        "pictures/a.jpg,35,M,10,20,2000000,60,0,0,0,0",
        "pictures/a.jpg,35,M,10,20,x,60,0,0,0,0",
    ).read()
    assert len(table) == 1
    assert [one.reason for one in table.skipped] == [
        "second row of this box: faces.csv row 3",
        "no box of a face: faces.csv row 4",
        "box has swapped corners: faces.csv row 5",
        "box has coordinates that are not finite or above 1000000 pixels: faces.csv row 6",
        "box has no area: faces.csv row 7",
        "age and gender are unknown: faces.csv row 8",
        "box has coordinates that are not finite or above 1000000 pixels: faces.csv row 9",
        "box is not numbers: faces.csv row 10",
    ]


def test_missing_pictures_are_an_error_or_skipped(tmp_path: Path) -> None:
    source = folder(tmp_path, "pictures/a.jpg,35,M,1,2,5,6,0,0,0,0", "c.jpg,35,M,1,2,5,6,0,0,0,0")
    with pytest.raises(AgeGenderError, match=r"1 rows have no image in .*: faces.csv row 3; set data.missing=skip"):
        source.read()
    source.missing = "skip"
    table = source.read()
    assert len(table) == 1 and "faces.csv row 3 (data.missing=skip)" in table.notes[0]
    assert table.skipped[0].reason == "image not found: faces.csv row 3"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("pictures/a.jpg,old,M,1,2,5,6,0,0,0,0", r"faces.csv row 2: age=old: expected years"),
        ("pictures/a.jpg,30;20,M,1,2,5,6,0,0,0,0", r"faces.csv row 2: age=30;20: expected 0 to 120 years"),
        ("pictures/a.jpg,nan,M,1,2,5,6,0,0,0,0", r"faces.csv row 2: age=nan: expected 0 to 120 years"),
        ("pictures/a.jpg,30,x,1,2,5,6,0,0,0,0", r"faces.csv row 2: gender=x: expected M, F or -1"),
        ("../a.jpg,30,M,1,2,5,6,0,0,0,0", r"faces.csv row 2: img_name=../a.jpg is outside data.root"),
        ("pictures/a.jpg,30,M,1,2", r"faces.csv row 2 has 5 cells instead of 11"),
        ("pictures/a.jpg,30,M,-1,-1,-1,-1,0,0,0,0", r"faces.csv has no face with a box in .*no box of a face"),
    ],
)
def test_wrong_values_are_named(row: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=message):
        folder(tmp_path, row).read()


def test_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"faces.csv has no column age, face_y1; required are img_name"):
        folder(tmp_path, header="img_name,gender,face_x0,face_y0,face_x1").read()
