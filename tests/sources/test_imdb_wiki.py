"""IMDB-WIKI, with small MATLAB metadata that have the known errors of the release."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from agegender.errors import AgeGenderError
from agegender.sources.imdb_wiki import ImdbWiki

INF, NAN = float("inf"), float("nan")


def datenum(year: int, month: int, day: int) -> float:
    """MATLAB date number (days since 1 January of year 0); its manual has datenum(1970, 1, 1) = 719529."""
    return (datetime.date(year, month, day) - datetime.date(1970, 1, 1)).days + 719529


# path, date of birth, year of the image, gender, face score, second face score
GOOD = ("01/nm0000001_rm124825600_1899-5-10_1968.jpg", datenum(1899, 5, 10), 1968, 1.0, 1.46, NAN)
ENTRIES = [
    GOOD,
    ("01/nm0000001_rm3343756032_1899-5-10_1970.jpg", datenum(1899, 5, 10), 1970, 1.0, 2.5, NAN),
    ("02/nm0000002_rm221957120_1924-9-16_1974.jpg", datenum(1924, 9, 16), 1974, 0.0, 4.0, NAN),
    ("03/nm0000003_rm1_1950-7-1_1960.jpg", datenum(1950, 7, 1), 1960, NAN, 3.0, NAN),
    ("04/nm0000004_rm1_1950-6-30_1960.jpg", datenum(1950, 6, 30) + 0.5, 1960, 0.0, 3.0, NAN),
    ("05/nm0000005_rm1_1999-1-1_1968.jpg", datenum(1999, 1, 1), 1968, 1.0, 3.0, NAN),
    ("06/nm0000006_rm1_0000-0-0_2000.jpg", 0.0, 2000, 1.0, 3.0, NAN),
    ("07/nm0000007_rm1_1980-1-1_2000.jpg", datenum(1980, 1, 1), 2000, 1.0, -INF, NAN),
    ("08/nm0000008_rm1_1980-1-1_2000.jpg", datenum(1980, 1, 1), 2000, 1.0, 0.3, NAN),
    ("09/nm0000009_rm1_1980-1-1_2000.jpg", datenum(1980, 1, 1), 2000, 1.0, 3.0, 1.1),
    ("10/nm0000010_rm1_x_2000.jpg", NAN, 2000, 1.0, 3.0, NAN),
]


def write(root: Path, entries: list[tuple], part: str = "imdb", drop: str = "", **replaced: Any) -> Path:
    """Write empty images, and the metadata as MATLAB stores them: a 1x1 struct of 1xN rows with the paths in cells."""
    paths, dob, taken, gender, score, second = zip(*entries, strict=True)
    cells = np.empty((1, len(paths)), dtype=object)
    for number, path in enumerate(paths):
        cells[0, number] = path
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    record = {
        "dob": np.array([dob]),
        "photo_taken": np.array([taken], dtype=np.uint16),
        "full_path": cells,
        "gender": np.array([gender]),
        "face_score": np.array([score]),
        "second_face_score": np.array([second]),
        "name": cells,
    } | replaced
    record.pop(drop, None)
    savemat(root / f"{part}.mat", {part: record})
    return root


def test_ages_genders_and_groups_are_read(tmp_path: Path) -> None:
    frame = ImdbWiki(str(write(tmp_path, ENTRIES))).read().frame
    assert frame["path"].str[:2].tolist() == ["01", "01", "02", "03", "04"]
    assert frame["age_low"].tolist() == frame["age_high"].tolist() == [69, 71, 49, 9, 10]
    assert frame["gender"].fillna(-1).tolist() == [0, 0, 1, -1, 1]  # in the metadata 1 is male
    assert frame["group"].tolist()[:3] == ["imdb_wiki:nm0000001", "imdb_wiki:nm0000001", "imdb_wiki:nm0000002"]


def test_unusable_entries_are_skipped_with_their_reasons(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES)
    (tmp_path / "99").mkdir()
    (tmp_path / "99/alone.jpg").touch()
    (tmp_path / "readme.txt").touch()
    reasons = {one.path.removeprefix("imdb_wiki/")[:2]: one.reason for one in ImdbWiki(str(tmp_path)).read().skipped}
    assert reasons == {
        "05": "image taken before birth",
        "06": "age above 100 years",
        "07": "no face detected",
        "08": "face score below 1",
        "09": "second face in the image",
        "10": "no date of birth or of the image",
        "99": "no entry in imdb.mat",
        "re": "not an image file",
    }


def test_the_thresholds_can_be_changed(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES)
    source = ImdbWiki(str(tmp_path), min_face_score=0, second_face="keep", max_age=60)
    assert source.read().frame["path"].str[:2].tolist() == ["02", "03", "04", "08", "09"]


def test_wiki_groups_images_by_its_person_numbers(tmp_path: Path) -> None:
    write(tmp_path, [("17/10000217_1981-05-05_2009.jpg", datenum(1981, 5, 5), 2009, 1.0, 4.3, NAN)], part="wiki")
    frame = ImdbWiki(str(tmp_path), part="wiki", name="wiki").read().frame
    assert frame[["age_low", "gender", "group"]].values.tolist() == [[28, 0, "wiki:10000217"]]
    with pytest.raises(AgeGenderError, match=r"has no imdb\.mat"):
        ImdbWiki(str(tmp_path)).read()


def test_missing_images_are_an_error_or_skipped_and_second_entries_are_skipped(tmp_path: Path) -> None:
    write(tmp_path, [*ENTRIES, GOOD])
    (tmp_path / ENTRIES[2][0]).unlink()
    with pytest.raises(AgeGenderError, match=r"1 of 12 entries of imdb\.mat .*: 02/nm0000002.*; set data\.missing=skip"):
        ImdbWiki(str(tmp_path)).read()
    table = ImdbWiki(str(tmp_path), missing="skip").read()
    assert len(table) == 4 and table.notes[0].endswith("(data.missing=skip)")
    reasons = [one.reason for one in table.skipped]
    assert reasons.count("image not found: entry in imdb.mat") == 1
    assert reasons.count("second entry of this image in imdb.mat") == 1


@pytest.mark.parametrize("path", ["../outside.jpg", "/etc/passwd"])
def test_paths_outside_the_root_are_an_error(tmp_path: Path, path: str) -> None:
    root = write(tmp_path / "root", ENTRIES)
    cells = np.array([[entry[0] for entry in ENTRIES]], dtype=object)
    cells[0, 3] = path
    write(root, ENTRIES, full_path=cells)
    with pytest.raises(
        AgeGenderError, match=r"1 entries of imdb\.mat \(the first is number 3\) have a path outside data\.root="
    ):
        ImdbWiki(str(root), missing="skip").read()


def test_invalid_metadata_are_errors(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES, drop="face_score")
    with pytest.raises(AgeGenderError, match=r"imdb\.mat has no field face_score"):
        ImdbWiki(str(tmp_path)).read()
    write(tmp_path, ENTRIES, gender=np.array([[1.0]]))
    with pytest.raises(AgeGenderError, match=r"the fields have different lengths: .*'gender': 1"):
        ImdbWiki(str(tmp_path)).read()
    write(tmp_path, ENTRIES, part="wiki")
    (tmp_path / "wiki.mat").rename(tmp_path / "imdb.mat")
    with pytest.raises(AgeGenderError, match=r"imdb\.mat cannot be read as IMDB-WIKI metadata: 'imdb'"):
        ImdbWiki(str(tmp_path)).read()
    for data in (b"", b"MATLAB 5.0 MAT-file, nonsense" * 20, (tmp_path / "imdb.mat").read_bytes()[:300]):
        (tmp_path / "imdb.mat").write_bytes(data)
        with pytest.raises(AgeGenderError, match=r"imdb\.mat cannot be read as IMDB-WIKI metadata"):
            ImdbWiki(str(tmp_path)).read()


def test_whole_pictures_have_the_boxes_of_the_metadata(tmp_path: Path) -> None:
    locations = np.empty((1, 3), dtype=object)
    locations[0, :] = [np.array([[11.0, 21.0, 50.0, 60.5]]), np.array([[50.0, 21.0, 11.0, 60.0]]), np.array([[1, 1, 90, 90]])]
    write(tmp_path, ENTRIES[:3], face_location=locations)
    table = ImdbWiki(str(tmp_path), boxes=True).read()
    assert table.frame["path"].tolist() == [f"{GOOD[0]}#10 20 50 60.5", f"{ENTRIES[2][0]}#0 0 90 90"]
    assert table.boxes() == ["10 20 50 60.5", "0 0 90 90"]  # MATLAB counts from 1
    assert [one.reason for one in table.skipped] == ["box has swapped corners: 49 20 11 60"]
    assert "box" not in ImdbWiki(str(tmp_path)).read().frame
    write(tmp_path, ENTRIES[:3])
    with pytest.raises(AgeGenderError, match=r"imdb\.mat has no field face_location"):
        ImdbWiki(str(tmp_path), boxes=True).read()
