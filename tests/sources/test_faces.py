"""The face table: its schema, its error messages and its operations."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.sources.faces import COLUMNS, DTYPES, FaceTable, Skipped, concat


def table(dataset: str = "a", number: int = 3, **columns: object) -> FaceTable:
    return FaceTable.of(dataset, Path("/data") / dataset, {"path": [f"{i}.jpg" for i in range(number)], **columns})


def test_labels_of_missing_columns_are_unknown_and_each_face_is_a_group() -> None:
    faces = table()
    assert tuple(faces.frame.columns) == COLUMNS
    assert {name: str(faces.frame[name].dtype) for name in COLUMNS} == DTYPES
    assert faces.frame[["age_low", "age_high", "gender", "race", "split"]].isna().all(axis=None)
    assert faces.frame["group"].tolist() == ["a/0.jpg", "a/1.jpg", "a/2.jpg"]


def test_an_empty_table_has_the_schema() -> None:
    empty = table().where([False] * 3)
    assert len(empty) == 0
    assert {name: str(empty.frame[name].dtype) for name in COLUMNS} == DTYPES
    assert len(concat([table(number=0), table("b", 2)])) == 2


def test_files_are_absolute_and_in_row_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    faces = FaceTable.of("a", Path("faces"), {"path": ["z/1.jpg", "b.jpg"]})
    assert faces.files() == [tmp_path / "faces/z/1.jpg", tmp_path / "faces/b.jpg"]


def test_columns_are_added_and_replaced_in_a_new_table() -> None:
    faces = table(split=["train", None, "test"])
    faces.notes.append("one")
    changed = faces.with_columns(split=np.array(["val", None, "val"], dtype=object), sha256=["x", "y", "z"])
    changed.notes.append("two")
    assert changed.frame["split"].fillna("").tolist() == ["val", "", "val"] and changed.frame["split"].dtype == "string"
    assert changed.frame["sha256"].tolist() == ["x", "y", "z"] and changed.notes == ["one", "two"]
    assert faces.frame["split"].fillna("").tolist() == ["train", "", "test"] and faces.notes == ["one"]
    assert "sha256" not in faces.frame
    with pytest.raises(AgeGenderError, match="split must be"):
        faces.with_columns(split=["train", "training", "test"])


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"age_low": [1, 9, 3], "age_high": [1, 8, 3]}, "0 <= low <= high"),
        ({"age_low": [1, -1, 3], "age_high": [1, 8, 3]}, "0 <= low <= high"),
        ({"age_low": [1, 5, 3], "age_high": [1, np.inf, 3]}, "0 <= low <= high"),
        ({"age_low": [1, np.nan, 3], "age_high": [1, 8, 3]}, "both be known"),
        ({"gender": [1, 2, 0]}, "gender must be"),
        ({"group": ["x", None, "y"]}, "group must be known"),
        ({"split": ["train", "training", None]}, "split must be"),
        ({"path": ["0.jpg", "/1.jpg", "2.jpg"]}, "relative"),
        ({"path": ["0.jpg", "0.jpg", "2.jpg"]}, "twice"),
    ],
)
def test_an_invalid_value_raises_an_error_with_the_row(columns: dict[str, object], rule: str) -> None:
    with pytest.raises(AgeGenderError, match=rf"row 1 \(a/.*{rule}"):
        table(**columns)


def test_a_wrong_type_a_missing_column_and_an_unknown_dataset_are_errors() -> None:
    faces = table()
    with pytest.raises(AgeGenderError, match="column gender must be Int8"):
        FaceTable(faces.frame.assign(gender=["m", "f", "f"]), faces.roots)
    with pytest.raises(AgeGenderError, match="no column race"):
        FaceTable(faces.frame.drop(columns="race"), faces.roots)
    with pytest.raises(AgeGenderError, match="dataset must be one of b"):
        FaceTable(faces.frame, {"b": Path("/b")})


def test_where_adds_the_other_faces_to_skipped_with_their_reasons() -> None:
    faces = table(age_low=[1, 2, 3], age_high=[1, 2, 3])
    assert faces.where([True, False, True]).skipped == []
    some = faces.where([False, True, False], ["dark", "", "bright"]).where([False], "alone")
    assert some.skipped == [Skipped("a/0.jpg", "dark"), Skipped("a/2.jpg", "bright"), Skipped("a/1.jpg", "alone")]
    assert faces.skipped == [] and len(faces) == 3
    assert faces.where(faces.frame["age_low"] > 1).frame.index.tolist() == [0, 1]


def test_extra_columns_follow_the_columns_of_the_schema() -> None:
    faces = table()
    frame = pd.concat([pd.DataFrame({"sha256": ["x"] * 3}), faces.frame], axis=1)
    assert FaceTable(frame, faces.roots).frame.columns.tolist() == [*COLUMNS, "sha256"]


def test_concat_joins_rows_notes_and_skipped_faces() -> None:
    first, second = table(), table("b", 1)
    first.notes.append("one")
    second.skipped.append(Skipped("b/x", "why"))
    both = concat([first, second])
    assert both.names() == ["a/0.jpg", "a/1.jpg", "a/2.jpg", "b/0.jpg"]
    assert both.notes == ["one"] and both.skipped == [Skipped("b/x", "why")] and set(both.roots) == {"a", "b"}
    with pytest.raises(AgeGenderError, match="two sources have the name 'a'"):
        concat([first, FaceTable.of("a", Path("/elsewhere"), {"path": ["9.jpg"]})])
    with pytest.raises(AgeGenderError, match=r"data\.sources"):
        concat([])
