"""Lists of faces that training leaves out."""

from pathlib import Path

import pytest

from agegender.data.exclude import without_excluded
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

TABLE = FaceTable.of(
    "own", Path("/own"), {"path": ["a/1.jpg", "b/1.jpg", "2.jpg", "3.jpg"], "split": ["train", "train", "val", "test"]}
)


def listed(folder: Path, text: str) -> Path:
    file = folder / "list.csv"
    file.write_text(text)
    return file


def test_train_and_val_faces_are_dropped_and_test_faces_stay(tmp_path: Path) -> None:
    file = listed(tmp_path, "quality,path\n0,own/a/1.jpg\n0,2.jpg\n0,3.jpg\n0,gone.jpg\n0,2.jpg\n")
    result = without_excluded(TABLE, file)
    assert result.names() == ["own/b/1.jpg", "own/3.jpg"]
    assert {one.path: one.reason for one in result.skipped} == dict.fromkeys(
        ["own/a/1.jpg", "own/2.jpg"], f"listed in data.exclude={file}"
    )
    assert result.notes == [
        f"2 faces dropped from train and val: listed in data.exclude={file}; 1 listed test faces stay; "
        "1 names belong to no face that is used"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column 'path'; it is empty"),
        ("file\n1.jpg\n", "has no column 'path'; it has file"),
        ("path\n1.jpg\n", "row 2: 1.jpg belongs to both own/a/1.jpg and own/b/1.jpg"),
        ("path,x\n2.jpg\n", "row 2 has 1 cells; expected 2"),
    ],
)
def test_lists_that_are_not_clear_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError) as caught:
        without_excluded(TABLE, listed(tmp_path, text))
    assert message in str(caught.value)
