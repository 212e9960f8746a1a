"""FairFace: age ranges, splits, ages converted to dates by spreadsheet programs, rows without an image."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from agegender.configuration.command import compose
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable
from agegender.sources.fairface import AGES, FairFace

SHARED = Path(os.environ.get("AGEGENDER_SHARED", Path(__file__).parents[2].parent / "shared"))
Row = tuple[str, str, str, str]


def tree(root: Path, train: list[Row], val: list[Row], absent: tuple[str, ...] = (), encoding: str = "utf-8") -> Path:
    """Write the label files and an empty file for each image; the reader does not decode images."""
    for split, rows in (("train", train), ("val", val)):
        (root / split).mkdir(parents=True, exist_ok=True)
        with (root / f"fairface_label_{split}.csv").open("w", newline="", encoding=encoding) as file:
            writer = csv.writer(file)
            writer.writerows([("file", "age", "gender", "race", "service_test"), *((*row, "True") for row in rows)])
        for name in {row[0] for row in rows} - set(absent):
            (root / name).touch()
    return root


def faces(table: FaceTable) -> dict[str, tuple[float, float, int, str, str]]:
    columns = ("age_low", "age_high", "gender", "race", "split")
    return {path: tuple(row) for path, *row in table.frame[["path", *columns]].itertuples(index=False, name=None)}


TRAIN: list[Row] = [(f"train/{i}.jpg", age, "Male", "Middle Eastern") for i, age in enumerate(AGES)]
VAL: list[Row] = [("val/1.jpg", "3-9", "Female", "Latino_Hispanic"), ("val/2.jpg", "more than 70", "Male", "East Asian")]


def test_the_published_validation_split_is_the_test_split(tmp_path: Path) -> None:
    table = FairFace(str(tree(tmp_path, TRAIN, VAL)), max_age=100).read()
    ends = [(0, 2), (3, 9), (10, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, 100)]
    assert faces(table) == {
        **{f"train/{i}.jpg": (*end, 0, "Middle Eastern", "train") for i, end in enumerate(ends)},
        "val/1.jpg": (3, 9, 1, "Latino_Hispanic", "test"),
        "val/2.jpg": (70, 100, 0, "East Asian", "test"),
    }
    assert table.skipped == [] and table.notes == []


def test_the_oldest_range_starts_at_70_even_if_max_age_is_lower(tmp_path: Path) -> None:
    table = FairFace(str(tree(tmp_path, TRAIN, VAL)), max_age=60).read()
    assert faces(table)["val/2.jpg"][:2] == (70, 70)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        *((text, (3, 9)) for text in ("03-Sep", "3-Sep", "9-Mar", "09-Mar", "Sep-03", "Mar-09", "9-MAR")),
        *((text, (10, 19)) for text in ("Oct-19", "19-Oct", "19-oct")),
    ],
)
def test_ages_converted_to_dates_by_a_spreadsheet_program_are_repaired(tmp_path: Path, text: str, age: tuple[int, int]) -> None:
    rows = [("train/a.jpg", text, "Male", "White"), ("train/b.jpg", " 3-9", "Male", "White")]
    table = FairFace(str(tree(tmp_path, rows, VAL, encoding="utf-8-sig"))).read()  # spreadsheet programs add a byte order mark
    assert faces(table)["train/a.jpg"][:2] == age and faces(table)["train/b.jpg"][:2] == (3, 9)
    (note,) = table.notes
    assert "WARNING" in note and f"1 ages in the label files to dates ({text})" in note


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (("train/x.jpg", "70+", "Male", "White"), "age '70\\+' is not one of 0-2, 3-9"),
        (("train/x.jpg", "10-Mar", "Male", "White"), "age '10-Mar'"),
        (("train/x.jpg", "9-Sep", "Male", "White"), "age '9-Sep'"),
        (("train/x.jpg", "19-Oct-20", "Male", "White"), "age '19-Oct-20'"),
        (("train/x.jpg", "", "Male", "White"), "age ''"),
        (("train/x.jpg", "3-9", "male", "White"), "gender 'male' is not one of Male, Female"),
        (("train/x.jpg", "3-9", "Male", "Asian"), "race 'Asian' is not one of White, Black"),
        (("train/0.jpg", "3-9", "Male", "White"), "'train/0.jpg' has two rows"),
    ],
)
def test_an_invalid_row_raises_an_error_with_its_line(tmp_path: Path, row: Row, complaint: str) -> None:
    with pytest.raises(AgeGenderError, match=rf"fairface_label_train\.csv row 11: {complaint}"):
        FairFace(str(tree(tmp_path, [*TRAIN, row], VAL))).read()


def test_rows_without_an_image_are_an_error_or_skipped(tmp_path: Path) -> None:
    gone = tuple(f"train/{i}.jpg" for i in range(6))
    root = str(tree(tmp_path, TRAIN, VAL, absent=(*gone, "val/2.jpg")))
    first = r"train/0\.jpg, train/1\.jpg, train/2\.jpg, train/3\.jpg, train/4\.jpg, \.\.\.; set data\.missing=skip"
    with pytest.raises(AgeGenderError, match=rf"^7 of 11 faces in the label files of data\.root=.* have no image: {first}"):
        FairFace(root).read()
    table = FairFace(root, missing="skip").read()
    assert list(faces(table)) == ["train/6.jpg", "train/7.jpg", "train/8.jpg", "val/1.jpg"]
    assert {one.path: one.reason for one in table.skipped} == dict.fromkeys(
        [f"fairface/{path}" for path in (*gone, "val/2.jpg")], "no image for its label row (data.missing=skip)"
    )


def test_a_folder_without_any_image_is_an_error_with_missing_skip(tmp_path: Path) -> None:
    root = tree(tmp_path, TRAIN, VAL, absent=tuple(row[0] for row in TRAIN + VAL))
    with pytest.raises(AgeGenderError, match=r"^11 of 11 faces .* have no image"):
        FairFace(str(root), missing="skip").read()


def test_images_without_a_row_are_skipped(tmp_path: Path) -> None:
    root = tree(tmp_path, TRAIN, VAL)
    (root / "train/extra.jpg").touch()
    (root / "README").touch()
    table = FairFace(str(root)).read()
    assert {one.path for one in table.skipped} == {"fairface/train/extra.jpg", "fairface/README"}
    assert len(table) == 11


def test_unreadable_label_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"data\.root=.*nowhere"):
        FairFace(str(tmp_path / "nowhere")).read()
    with pytest.raises(AgeGenderError, match=r"fairface_label_train\.csv cannot be read: No such file"):
        FairFace(str(tmp_path)).read()
    root = tree(tmp_path, TRAIN, VAL)
    label_file = root / "fairface_label_val.csv"
    label_file.write_text(label_file.read_text().replace(",", ";"))
    with pytest.raises(AgeGenderError, match=r"val\.csv has no column file, age, gender, race; its header is file;age"):
        FairFace(str(root)).read()
    label_file.write_text('file,age,gender,race\nval/1.jpg,"0-2,Male,White\nval/2.jpg,0-2,Male,White\n')
    with pytest.raises(AgeGenderError, match=r"val\.csv row 2 is not well-formed CSV"):
        FairFace(str(root)).read()
    label_file.write_bytes(b"file,age,gender,race\nval/\xff.jpg,0-2,Male,White\n")
    with pytest.raises(AgeGenderError, match=r"val\.csv is not UTF-8 text"):
        FairFace(str(root)).read()


def test_the_configuration_sets_max_age_from_age_range() -> None:
    config = compose(["data=fairface", "data.root=ROOT", "data.missing=skip", "age_range=[0,90]"])
    source = config["data"]["sources"]["fairface"]
    assert source.pop("_target_") == f"{FairFace.__module__}.{FairFace.__qualname__}"
    read = FairFace(**source)
    assert (str(read.root), read.max_age, read.missing) == ("ROOT", 90, "skip")
    with pytest.raises(AgeGenderError, match=r"data\.missing=maybe"):
        FairFace("ROOT", missing="maybe")  # type: ignore[arg-type]


@pytest.mark.skipif(not (SHARED / "data/fairface").is_dir(), reason="needs the FairFace images in AGEGENDER_SHARED")
def test_the_published_label_files_are_read() -> None:
    root = SHARED / "data/fairface"
    with pytest.raises(AgeGenderError, match=r"^91445 of 97698 faces"):
        FairFace(str(root)).read()
    table = FairFace(str(root), missing="skip").read()
    assert Counter(table.frame["split"]) == {"train": 4967, "test": 1286}
    assert len(table.skipped) == 91445 and table.notes == []
    assert set(zip(table.frame["age_low"], table.frame["age_high"], strict=True)) == {
        (low, min(high, 116)) for low, high in AGES.values()
    }
