"""Folders of images with labels in file names and tables; every file and row is used or has a reason."""

from pathlib import Path

import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, Skipped
from agegender.sources.folder import FolderFaces
from agegender.sources.tables import Table

GENDER = {"gender": {"m": "male", "f": "female"}}


def folder(root: Path, *files: str, **tables: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in tables.items():
        (root / f"{name}.csv").write_text(text)
    return root


def read_csv(root: Path, text: str, **arguments: object) -> FaceTable:
    folder(root, faces=text)
    values = arguments.pop("values", GENDER)
    return FolderFaces(str(root), tables={"csv": Table("faces.csv")}, values=values, **arguments).read()  # type: ignore[arg-type]


def rows(table: FaceTable, *columns: str) -> dict[str, tuple]:
    cells = table.frame[list(columns)].astype(object).where(table.frame[list(columns)].notna(), None)
    return dict(zip(table.frame["path"], cells.itertuples(index=False, name=None), strict=True))


def test_a_csv_with_all_labels(tmp_path: Path) -> None:
    folder(tmp_path, "a.jpg", "sub/b.png", "sub/c", "alone.jpg", "notes.txt")
    text = (
        "path,age,gender,race,group,split,camera\na.jpg,3,m,Elf,Anna,train,x\nsub\\b.png,20-29,F,,Anna,val,x\n./sub/c,,f,,,,x\n"
    )
    table = read_csv(tmp_path, text)
    assert rows(table, "age_low", "age_high", "gender", "race", "group", "split") == {
        "a.jpg": (3, 3, 0, "Elf", "folder:Anna", "train"),
        "sub/b.png": (20, 29, 1, None, "folder:Anna", "val"),
        "sub/c": (None, None, 1, None, "folder/sub/c", None),
    }
    assert table.skipped == [
        Skipped("folder/alone.jpg", "no row in faces.csv"),
        Skipped("folder/notes.txt", "not an image file"),
    ]
    assert table.notes == ["faces.csv: columns not read: camera"]


@pytest.mark.parametrize("path", ["../b.jpg", "sub/../../b.jpg", "/etc/passwd", "\\\\server\\b.jpg", "C:\\b.jpg", "", ".", "/"])
def test_paths_outside_the_root_are_an_error(tmp_path: Path, path: str) -> None:
    folder(tmp_path, "b.jpg")
    root = folder(tmp_path / "root", "a.jpg")
    for missing in ("error", "skip"):
        with pytest.raises(AgeGenderError, match=r"1 rows of faces\.csv have a path outside data\.root=.*: row 3 "):
            read_csv(root, f'path,age\na.jpg,3\n"{path}",4\n', missing=missing)


def test_unusual_paths_inside_the_root_are_read(tmp_path: Path) -> None:
    folder(tmp_path, "a.jpg", "b.jpg", "..c.jpg")
    table = read_csv(tmp_path, f"path,age\nsub/../a.jpg,3\n{tmp_path}/b.jpg,4\n..c.jpg,5\n")
    assert rows(table, "age_low") == {"..c.jpg": (5,), "a.jpg": (3,), "b.jpg": (4,)}


def test_images_behind_a_link_to_a_folder_are_missing(tmp_path: Path) -> None:
    folder(tmp_path / "outside", "a.jpg")
    root = folder(tmp_path / "root", "b.jpg")
    (root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(AgeGenderError, match=r"1 of 2 rows .* link/a\.jpg \(row 3\)"):
        read_csv(root, "path,age\nb.jpg,1\nlink/a.jpg,1\n")


def test_rows_without_an_image_are_an_error_or_skipped(tmp_path: Path) -> None:
    folder(tmp_path, "a.jpg")
    text = "path,age\n" + "".join(f"{i}.jpg,{i}\n" for i in range(7)) + "a.jpg,9\n"
    message = r"7 of 8 rows .*: 0\.jpg \(row 2\), .*, 4\.jpg \(row 6\), \.\.\.; set data\.missing=skip"
    with pytest.raises(AgeGenderError, match=message):
        read_csv(tmp_path, text)
    table = read_csv(tmp_path, text, missing="skip")
    assert rows(table, "age_low") == {"a.jpg": (9,)}
    assert table.skipped[0] == Skipped("folder/0.jpg", "image not found: faces.csv row 2") and len(table.skipped) == 7
    assert len(table.notes) == 1 and table.notes[0].startswith("7 of 8 rows of faces.csv")
    with pytest.raises(AgeGenderError, match=r"has no labelled face \(9 files or rows skipped\)"):
        read_csv(tmp_path, text.replace("a.jpg", "b.jpg"), missing="skip")


def test_equal_labels_may_repeat_and_different_labels_are_an_error(tmp_path: Path) -> None:
    folder(tmp_path, "a.jpg", "b.jpg")
    table = read_csv(tmp_path, "path,age,gender\na.jpg,3,m\nb.jpg,4,f\na.jpg,3,\n")
    assert rows(table, "age_low", "gender") == {"a.jpg": (3, 0), "b.jpg": (4, 1)}
    message = r"^a\.jpg has two different labels: faces\.csv row 2, column age: 3.0; faces\.csv row 4, column age: 5.0$"
    with pytest.raises(AgeGenderError, match=message):
        read_csv(tmp_path, "path,age,gender\na.jpg,3,m\nb.jpg,4,f\na.jpg,5,m\n")


def test_unknown_texts_raise_an_error_with_row_column_and_allowed_texts(tmp_path: Path) -> None:
    folder(tmp_path, "a.jpg", "b.jpg")
    with pytest.raises(AgeGenderError, match=r"faces\.csv row 3, column gender: 'x' is not one of m, f: .*values\.gender"):
        read_csv(tmp_path, "path,gender\na.jpg,m\nb.jpg,x\n")
    table = read_csv(tmp_path, "path,gender,age\na.jpg,m,1\nb.jpg,x,1\n", values={"gender": {"m": "male", "x": "unknown"}})
    assert rows(table, "gender") == {"a.jpg": (0,), "b.jpg": (None,)}


def test_without_age_and_gender_the_error_lists_the_unread_columns(tmp_path: Path) -> None:
    folder(tmp_path, "a.jpg")
    with pytest.raises(AgeGenderError, match=r"no labels for age or gender; faces\.csv: columns not read: sex, years"):
        read_csv(tmp_path, "path,sex,years\na.jpg,m,3\n")
    with pytest.raises(AgeGenderError, match="a pattern or a table is required"):
        FolderFaces(str(tmp_path))


def test_labels_in_file_names(tmp_path: Path) -> None:
    folder(tmp_path, "p1_30_m.jpg", "deep/p1_5_f.jpg", "p2_6.jpg", "p3_x_m.jpg", "holiday.jpg", "readme.txt")
    source = FolderFaces(
        str(tmp_path), name="mine", pattern=r"(?P<group>p\d)_(?P<age>\d+)(_(?P<gender>[mf]))?\.jpg", values=GENDER
    )
    table = source.read()
    assert rows(table, "age_low", "gender", "group") == {
        "deep/p1_5_f.jpg": (5, 1, "mine:p1"),
        "p1_30_m.jpg": (30, 0, "mine:p1"),
        "p2_6.jpg": (6, None, "mine:p2"),
    }
    assert {one.path: one.reason for one in table.skipped} == {
        "mine/holiday.jpg": "the file name does not match the pattern",
        "mine/p3_x_m.jpg": "the file name does not match the pattern",
        "mine/readme.txt": "not an image file",
    }


def test_a_pattern_with_a_slash_matches_the_whole_path(tmp_path: Path) -> None:
    folder(tmp_path, "test/a/30.jpg", "train/b/4.jpg", "5.jpg")
    table = FolderFaces(str(tmp_path), pattern=r"(?P<split>train|test)/(?P<group>\w)/(?P<age>\d+)\.jpg").read()
    assert rows(table, "age_low", "split", "group") == {
        "test/a/30.jpg": (30, "test", "folder:a"),
        "train/b/4.jpg": (4, "train", "folder:b"),
    }


def test_labels_in_file_names_and_tables_are_joined(tmp_path: Path) -> None:
    folder(tmp_path, "sub/1_30.jpg", "2_40.jpg", "x.jpg", men="1_30.jpg\n", extra="path,age\n2_40.jpg,41\n")
    men = Table("men.csv", header=["path"], match="name", labels={"gender": "male", "list": "first"})
    table = FolderFaces(str(tmp_path), pattern=r"\d_(?P<age>\d+)\.jpg", tables={"men": men}).read()
    assert rows(table, "age_low", "gender", "list") == {"2_40.jpg": (40, None, None), "sub/1_30.jpg": (30, 0, "first")}
    assert {one.path: one.reason for one in table.skipped} == {
        "folder/x.jpg": "the file name does not match the pattern and no row in men.csv",
        "folder/extra.csv": "not an image file",
    }
    assert table.notes == ["1 images of folder have no row in men.csv: their labels are from the file names"]
    message = (
        r"2_40\.jpg has two different labels: 2_40\.jpg, age_low in the file name: 40\.0; extra\.csv row 2, column age: 41\.0"
    )
    with pytest.raises(AgeGenderError, match=message):
        FolderFaces(str(tmp_path), pattern=r"\d_(?P<age>\d+)\.jpg", tables={"extra": Table("extra.csv")}).read()


def test_a_name_of_two_files_is_an_error(tmp_path: Path) -> None:
    folder(tmp_path, "a/1.jpg", "b/1.jpg", "b/2.jpg", list="2.jpg\n1.jpg\n")
    table = Table("list.csv", header=["path"], match="name", labels={"gender": "male"})
    with pytest.raises(AgeGenderError, match=r"list\.csv row 2: 1\.jpg matches several files \(a/1\.jpg and b/1\.jpg\)"):
        FolderFaces(str(tmp_path), tables={"list": table}).read()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<age>[0-9]+", "is not a valid regular expression: missing"),
        ("[0-9]+", r"no named group; allowed are groups like \(\?P<age>"),
        ("(?P<sex>m)", "an unknown group sex"),
        ("(?P<age>1)(?P<age_low>2)", "either age, or age_low and age_high"),
    ],
)
def test_patterns_are_checked_by_the_constructor(pattern: str, message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        FolderFaces("nowhere", pattern=pattern)


def test_a_moved_folder_gives_the_same_table(tmp_path: Path) -> None:
    frames = []
    for place in ("here", "there"):
        root = folder(tmp_path / place, "a.jpg", "b.jpg")
        frames.append(read_csv(root, "path,age,group\na.jpg,3,x\nb.jpg,4,\n").frame)
    pd.testing.assert_frame_equal(*frames)


def test_a_picture_has_a_row_for_each_face_in_a_box(tmp_path: Path) -> None:
    text = "path,age,x0,y0,x1,y1\na.jpg,3,0,0,9,9\na.jpg,40,20,0,29.5,9\nb.jpg,50,,,,\na.jpg,60,9,0,9,9\na.jpg,3,0,0,9,9\n"
    folder(tmp_path, "a.jpg", "b.jpg")
    table = read_csv(tmp_path, text)
    assert rows(table, "file", "box", "age_low", "group") == {
        "a.jpg#0 0 9 9": ("a.jpg", "0 0 9 9", 3, "folder/a.jpg"),
        "a.jpg#20 0 29.5 9": ("a.jpg", "20 0 29.5 9", 40, "folder/a.jpg"),
        "b.jpg": ("b.jpg", "", 50, "folder/b.jpg"),
    }
    assert table.skipped == [Skipped("folder/a.jpg", "box has no area: 9 0 9 9, faces.csv row 5")]
    with pytest.raises(AgeGenderError, match=r"a.jpg#0 0 9 9 has two different labels: faces.csv row 2"):
        read_csv(tmp_path, text + "a.jpg,4,0,0,9,9\n")
    with pytest.raises(AgeGenderError, match=r"faces.csv has only x0, y0 of the edges of a box, x0, y0, x1, y1"):
        read_csv(tmp_path, "path,age,x0,y0\na.jpg,3,0,0\n")
    with pytest.raises(AgeGenderError, match=r"faces.csv has boxes of faces, so it must be the only file with labels"):
        read_csv(tmp_path, text, pattern="(?P<group>a).jpg")


def test_impossible_boxes_are_skipped_with_a_reason(tmp_path: Path) -> None:
    boxes = ("0,0,9,9", "9,0,0,9", "0,9,9,0", "nan,0,9,9", "0,0,9,2e6", "1,0,1.001,9", "x,0,9,9", ",0,9,9")
    folder(tmp_path, "a.jpg")
    table = read_csv(tmp_path, "path,age,x0,y0,x1,y1\n" + "\n".join(f"a.jpg,3,{box}" for box in boxes))
    assert table.boxes() == ["0 0 9 9"]
    assert [one.reason for one in table.skipped] == [
        "box has swapped corners: 9 0 0 9, faces.csv row 3",
        "box has swapped corners: 0 9 9 0, faces.csv row 4",
        "box has coordinates that are not finite or above 1000000 pixels: nan 0 9 9, faces.csv row 5",
        "box has coordinates that are not finite or above 1000000 pixels: 0 0 9 2e6, faces.csv row 6",
        "box has no area: 1 0 1 9, faces.csv row 7",
        "box is not numbers: x 0 9 9, faces.csv row 8",
        "box has 3 numbers instead of 4 or 8:  0 9 9, faces.csv row 9",
    ]
