"""The printed summary: counts of faces, splits, labels and skipped files."""

from pathlib import Path

import numpy as np

from agegender.data.summary import EXAMPLES, summary
from agegender.sources.crop import Crop
from agegender.sources.faces import FaceTable, Skipped, concat

LICENSES = {"a": "for research only", "b": "free"}


def lines(*tables: FaceTable, crop: Crop = Crop()) -> list[str]:  # noqa: B008
    return summary(concat(tables), LICENSES, dict.fromkeys("ab", crop), "random 80/10/10 seed 0", "abc123", "def456")


def faces(name: str, **columns: list) -> FaceTable:
    number = len(next(iter(columns.values())))
    table = FaceTable.of(name, Path("/faces") / name, {"path": [f"{i}.jpg" for i in range(number)], **columns})
    return table.with_columns(width=[100] * number, height=[100] * number)


def test_each_dataset_has_its_splits_and_license_and_the_last_line_has_the_sums() -> None:
    printed = lines(faces("a", split=["train"] * 3 + ["val"]), faces("b", split=["train", "test"]))
    assert printed[:4] == [
        "a: 4 faces in /faces/a  (train 3  val 1  test 0)",
        "  for research only",
        "b: 2 faces in /faces/b  (train 1  val 0  test 1)",
        "  free",
    ]
    assert printed[-1] == "split random 80/10/10 seed 0: train 4  val 1  test 1  sha256 abc123  content_sha256 def456"


def test_exact_ages_are_counted_by_decade_and_ranges_by_range() -> None:
    ages = [(21, 21), (29, 29), (3, 9), (3, 9), (70, 116), (5, 5), (np.nan, np.nan)]
    table = faces("a", age_low=[low for low, _ in ages], age_high=[high for _, high in ages], gender=[0, 1, 1, 1, 0, 0, None])
    printed = lines(table)
    start = printed.index("age: 3 exact, 3 ranges, 1 unknown")
    rows = {line.split()[0]: line.split()[1:] for line in printed[start + 3 : start + 9]}
    assert printed[start + 1].split() == ["gender", "female", "male", "unknown", "all"]
    assert rows == {
        "0-9": ["0", "1", "0", "1"],
        "3-9": ["2", "0", "0", "2"],
        "20-29": ["1", "1", "0", "2"],
        "70-116": ["0", "1", "0", "1"],
        "unknown": ["0", "0", "1", "1"],
        "all": ["3", "3", "1", "7"],
    }


def test_races_are_counted_as_labelled() -> None:
    assert "race as labelled: White 2, unknown 1" in lines(faces("a", race=["White", None, "White"]))


def test_notes_are_printed() -> None:
    table = faces("a", gender=[1])
    table.notes.append("3 faces dropped")
    assert "note: 3 faces dropped" in lines(table)


def test_images_that_are_not_square_are_counted_and_stretched_ones_are_warned_of() -> None:
    table = faces("a", gender=[1, 1]).with_columns(width=[100, 80])
    count = "note: a: 1 of 2 images are not square, the square at their centre is used (data.fit=crop)"
    assert count in lines(table) and not any(line.startswith("warning") for line in lines(table))
    stretched = lines(table, crop=Crop("stretch"))
    assert any(line.startswith("warning: 1 of 2 images of a are not square and are stretched") for line in stretched)


def test_skipped_files_are_grouped_by_reason_with_a_few_examples() -> None:
    table = faces("a", gender=[1])
    table.skipped += [Skipped(f"a/{i}.jpg", "truncated JPEG") for i in range(EXAMPLES + 2)]
    table.skipped += [
        Skipped("a/x.jpg", "cannot be read: No such file"),
        Skipped("a/y.jpg", "cannot be read: Permission denied"),
    ]
    printed = lines(table)
    start = printed.index(f"skipped: {EXAMPLES + 4} files or faces")
    assert printed[start + 1] == f"  {EXAMPLES + 2} x truncated JPEG"
    assert printed[start + 2 : start + 2 + EXAMPLES] == [f"      a/{i}.jpg" for i in range(EXAMPLES)]
    assert printed[start + 2 + EXAMPLES :][:4] == [
        "      ... and 2 more",
        "  2 x cannot be read",
        "      a/x.jpg (No such file)",
        "      a/y.jpg (Permission denied)",
    ]
    assert not any(line.startswith("skipped:") for line in lines(faces("a", gender=[1])))
