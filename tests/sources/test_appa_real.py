"""APPA-REAL, with a small copy of its release."""

from pathlib import Path

import pytest

from agegender.errors import AgeGenderError
from agegender.sources.appa_real import AppaReal

ROWS = {
    "train": ["000000.jpg,36,5.0,1.0954451150103321,4", "000001.jpg,38,23.473684210526315,3.2,18"],
    "valid": ["004113.jpg,40,60.51,7.1,65"],
    "test": ["005613.jpg,35,31.0,4.0,34"],
}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for split, rows in ROWS.items():
        header = "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age"
        (tmp_path / f"gt_avg_{split}.csv").write_text("\n".join([header, *rows]) + "\n")
        (tmp_path / f"gt_{split}.csv").write_text("one row per rating\n")
        (tmp_path / split).mkdir()
        for row in rows:
            for suffix in ("", "_face.jpg", ".mat"):
                (tmp_path / split / f"{row.split(',')[0]}{suffix}").touch()
    return tmp_path


def test_age_chooses_real_or_apparent_ages(release: Path) -> None:
    real, apparent = AppaReal(str(release)).read().frame, AppaReal(str(release), age="apparent").read().frame
    assert real["path"].tolist() == [
        "test/005613.jpg_face.jpg",
        "train/000000.jpg_face.jpg",
        "train/000001.jpg_face.jpg",
        "valid/004113.jpg_face.jpg",
    ]
    assert real["split"].tolist() == ["test", "train", "train", "val"]
    assert real["age_low"].tolist() == real["age_high"].tolist() == [34, 4, 18, 65]
    assert apparent["age_low"].tolist() == apparent["age_high"].tolist() == [31, 5, 23, 61]
    assert real["gender"].isna().all()


def test_uncropped_images_are_skipped(release: Path) -> None:
    reasons = {one.path: one.reason for one in AppaReal(str(release)).read().skipped}
    assert "no row in" in reasons["appa_real/train/000000.jpg"]
    assert reasons["appa_real/train/000000.jpg.mat"] == reasons["appa_real/gt_test.csv"] == "not an image file"
    assert len(reasons) == 4 + 4 + 3


def test_missing_images_are_an_error_or_skipped(release: Path) -> None:
    (release / "train/000000.jpg_face.jpg").unlink()
    with pytest.raises(AgeGenderError, match=r"1 of 2 rows of gt_avg_train\.csv .*: train/000000\.jpg_face\.jpg \(row 2\)"):
        AppaReal(str(release)).read()
    assert len(AppaReal(str(release), missing="skip").read()) == 3


def test_the_licence_names_the_kind_of_age() -> None:
    assert "are real" in AppaReal("x").license and "guesses" in AppaReal("x", age="apparent").license
