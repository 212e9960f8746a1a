"""Names in files, and the faces that they refer to."""

from pathlib import Path

import pytest

from agegender.data.named_faces import NamedFaces
from agegender.sources.faces import FaceTable, concat

FACES = NamedFaces(
    concat(
        [
            FaceTable.of("one", Path("/data/one"), {"path": ["a/1.jpg", "b/1.jpg", "2.jpg"]}),
            FaceTable.of("two", Path("/data/two"), {"path": ["2.jpg", "a/31.jpg"]}),
        ]
    )
)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("a/1.jpg", [0]),
        ("one/a/1.jpg", [0]),
        ("1.jpg", [0, 1]),
        ("31.jpg", [4]),
        ("2.jpg", [2, 3]),
        ("two/2.jpg", [3]),
        ("/data/two/2.jpg", [3]),
        ("/data/one/b/1.jpg", [1]),
        ("/elsewhere/2.jpg", []),
        ("c/1.jpg", []),
        ("3.jpg", []),
        ("A/1.jpg", []),
    ],
)
def test_a_name_is_the_end_of_dataset_and_path(name: str, rows: list[int]) -> None:
    assert FACES.rows(name) == rows
