"""UTKFace file names, including the known errors of the release."""

import re
from pathlib import Path

import pytest
import yaml

from agegender.errors import AgeGenderError
from agegender.sources.utkface import UTKFace

PROJECT = Path(__file__).parents[2]


def read(root: Path, *names: str) -> tuple[dict[str, tuple[float, int, str]], dict[str, str]]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    table = UTKFace(str(root)).read()
    assert (table.frame["age_low"] == table.frame["age_high"]).all()
    labels = zip(table.frame["age_low"], table.frame["gender"], table.frame["race"], strict=True)
    return dict(zip(table.frame["path"], labels, strict=True)), {one.path: one.reason for one in table.skipped}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("1_0_0_20170110183726390.jpg.chip.jpg", (1, 0, "White")),
        ("116_1_1_20170110183726390.jpg", (116, 1, "Black")),
        ("24_0_1_20170116220224657 .jpg.chip.jpg", (24, 0, "Black")),
        ("55_0_0_20170116232725357jpg.chip.jpg", (55, 0, "White")),
        ("14_0_2_2017011022340900.jpg", (14, 0, "Asian")),
        ("28_1_3_201701161846515488.jpg.chip.jpg", (28, 1, "Indian")),
        ("part1/0_1_4_20170110183726390.JPG", (0, 1, "Others")),
        ("120_1_4_20170110183726390.jpg", (120, 1, "Others")),
    ],
)
def test_valid_names_are_parsed(tmp_path: Path, name: str, labels: tuple[float, int, str]) -> None:
    assert read(tmp_path, name) == ({name: labels}, {})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("39_1_20170116174525125.jpg.chip.jpg", "gender or race is missing"),
        ("53__0_20170116184028385.jpg", "gender or race is missing"),
        ("20_2_0_20170116174525125.jpg", "gender 2"),
        ("20_1_5_20170116174525125.jpg", "race 5"),
        ("121_1_0_20170116174525125.jpg", "age 121"),
        ("99999999999999999999_1_0_20170116174525125.jpg", "age 9+ is above"),
        ("-1_1_0_20170116174525125.jpg", "not named"),
        ("20_1_0_2017.jpg", "not named"),
        ("20_1_0_20170116174525125.jpg.txt", "not an image file"),
        ("2\u0660_1_0_20170116174525125.jpg", "not named"),
        ("._20_1_0_20170116174525125.jpg", "not named"),
        ("holiday.png", "not named"),
        ("landmark_list_part1.txt", "not an image file"),
        ("labels.csv", "not an image file"),
        (".DS_Store", "not an image file"),
    ],
)
def test_invalid_names_are_skipped_with_a_reason(tmp_path: Path, name: str, reason: str) -> None:
    good = "20_1_0_20170116174525126.jpg"
    faces, skipped = read(tmp_path, good, name)
    assert list(faces) == [good]
    assert list(skipped) == [f"utkface/{name}"]
    assert re.search(reason, skipped[f"utkface/{name}"])


def test_a_folder_without_faces_raises_an_error_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"data\.root=.* has no file named .*\(0 files"):
        UTKFace(str(tmp_path)).read()
    (tmp_path / "cat.jpg").touch()
    with pytest.raises(AgeGenderError, match=r"data\.root=.* has no file named .*\(1 file"):
        UTKFace(str(tmp_path)).read()


def test_a_moved_folder_gives_the_same_table(tmp_path: Path) -> None:
    names = [f"part{i % 2}/{i}_0_0_20170110183726390.jpg" for i in range(6)]
    frames = []
    for folder in ("here", "there"):
        read(tmp_path / folder, *names)
        frames.append(UTKFace(str(tmp_path / folder)).read().frame)
    assert frames[0].equals(frames[1])


def test_the_licence_states_research_use_and_labels_by_appearance() -> None:
    assert "non-commercial" in UTKFace.license and "appearance" in UTKFace.license


def test_the_configuration_has_the_constructor_arguments() -> None:
    config = yaml.safe_load((PROJECT / "conf/data/utkface.yaml").read_text())
    source = config["sources"]["utkface"]
    assert source.pop("_target_") == f"{UTKFace.__module__}.{UTKFace.__qualname__}"
    assert UTKFace(**source).name == "utkface"
