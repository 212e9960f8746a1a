"""Splits from files of names: assignment, validation faces, missing names, copies, errors."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from agegender.data.file_split import FileSplit
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, Skipped, concat
from agegender.sources.utkface import UTKFace

PROJECT = Path(__file__).parents[2]
Population = Callable[..., FaceTable]
SHARED = Path(os.environ.get("AGEGENDER_SHARED", PROJECT.parent / "shared"))


def splits(table: FaceTable) -> dict[str, str]:
    return dict(zip(table.frame["path"], table.frame["split"], strict=True))


def files(folder: Path, column: str = "file", **names: list[str]) -> dict[str, str]:
    for split, entries in names.items():
        pd.DataFrame({column: entries}).to_csv(folder / f"{split}.csv")
    return {split: str(folder / f"{split}.csv") for split in names}


def test_named_faces_go_to_their_split_and_a_tenth_of_train_to_val(tmp_path: Path, population: Population) -> None:
    table = population(300)
    names = [Path(path).name for path in table.frame["path"]]
    split = FileSplit(**files(tmp_path, train=names[:200], test=names[200:280]))
    assigned = split.assign(table)
    counts = Counter(assigned.frame["split"])
    assert counts == {"train": 180, "val": 20, "test": 80}
    got = splits(assigned)
    assert all(got[path] in ("train", "val") for path in table.frame["path"][:200])
    assert all(got[path] == "test" for path in table.frame["path"][200:280])
    assert {one.reason for one in assigned.skipped} == {"not named by the split"} and len(assigned.skipped) == 20
    assert assigned.notes == ["20 faces dropped: not named by the split"]
    reseeded = FileSplit(**files(tmp_path, train=names[:200], test=names[200:280]), seed=1)
    assert splits(reseeded.assign(table)) != got and reseeded.name != split.name
    assert splits(split.assign(table)) == got


def test_a_val_file_or_no_val_split(tmp_path: Path, population: Population) -> None:
    table = population(30)
    names = [Path(path).name for path in table.frame["path"]]
    given = files(tmp_path, train=names[:10], val=names[10:20], test=names[20:], column="image")
    assert Counter(FileSplit(**given, column="image").assign(table).frame["split"]) == dict.fromkeys(
        ("train", "val", "test"), 10
    )
    two = files(tmp_path, train=names[:10], test=names[20:])
    assert Counter(FileSplit(**two, val_fraction=0).assign(table).frame["split"]) == {"train": 10, "test": 10}


def test_validation_faces_are_taken_in_whole_groups(tmp_path: Path, population: Population) -> None:
    table = population(300, groups=60)
    held = set(table.frame["group"].unique()[:15])
    test = table.frame["group"].isin(held)
    given = files(tmp_path, train=table.frame["path"][~test].tolist(), test=table.frame["path"][test].tolist())
    frame = FileSplit(**given, val_fraction=0.2).assign(table).frame
    assert frame.groupby("group")["split"].nunique().max() == 1
    assert set(frame["split"]) == {"train", "val", "test"}


def test_missing_faces_are_an_error_or_a_note(tmp_path: Path, population: Population) -> None:
    table = population(30)
    table.skipped.append(Skipped("d/part0/broken.jpg", "truncated JPEG"))
    names = [Path(path).name for path in table.frame["path"]]
    missing = [f"missing{i}.jpg" for i in range(7)]
    given = files(tmp_path, train=names[:20] + missing + ["broken.jpg"], test=names[20:])
    with pytest.raises(AgeGenderError, match=r"^7 faces named .*: missing0\.jpg, .*missing4\.jpg, \.\.\.; data\.missing=skip"):
        FileSplit(**given).assign(table)
    assigned = FileSplit(**given, missing="skip").assign(table)
    assert len(assigned) == 30
    assert "7 faces named by the split not found" in assigned.notes[0] and "missing4.jpg, ..." in assigned.notes[0]
    assert assigned.notes[1] == "1 face named by the split had been skipped before"


def test_copies_of_held_out_faces_are_dropped_from_train_and_val(tmp_path: Path, population: Population) -> None:
    table = population(30)
    group = table.frame["group"].tolist()
    group[0] = group[25]  # train and test
    group[1] = group[15]  # train and val
    group[16] = group[26]  # val and test
    group[2] = group[3]  # both in train
    table.frame["group"] = group
    path = table.frame["path"].tolist()
    assigned = FileSplit(**files(tmp_path, train=path[:10], val=path[10:20], test=path[20:])).assign(table)
    assert {one.path: one.reason for one in assigned.skipped} == {
        f"d/{path[0]}": "train face in the same group as a test face",
        f"d/{path[1]}": "train face in the same group as a val face",
        f"d/{path[16]}": "val face in the same group as a test face",
    }
    assert Counter(assigned.frame["split"]) == {"train": 8, "val": 9, "test": 10}
    assert assigned.notes == [
        "2 faces dropped from train: in the same group as held-out faces",
        "1 face dropped from val: in the same group as held-out faces",
    ]


def test_names_match_whole_components_of_paths(tmp_path: Path) -> None:
    table = FaceTable.of("d", Path("/d"), {"path": ["train/1.jpg", "test/1.jpg", "train/11.jpg", "x_1.jpg"]})
    given = files(tmp_path, train=["train/1.jpg", "11.jpg"], test=["test/1.jpg"])
    assigned = FileSplit(**given, val_fraction=0).assign(table)
    assert splits(assigned) == {"train/1.jpg": "train", "test/1.jpg": "test", "train/11.jpg": "train"}
    with pytest.raises(AgeGenderError, match=r"split\.test=.*1\.jpg matches both train/1\.jpg and test/1\.jpg"):
        FileSplit(**files(tmp_path, train=["11.jpg"], test=["1.jpg"])).assign(table)


def test_wrong_files_and_settings_are_one_line_errors(tmp_path: Path, population: Population) -> None:
    table = population(30)
    names = table.frame["path"].tolist()
    given = files(tmp_path, train=names[:10], test=names[9:12])
    with pytest.raises(AgeGenderError, match=r"split\.test=.*is also in the train file"):
        FileSplit(**given).assign(table)
    with pytest.raises(AgeGenderError, match=r"split\.train=.* has no column 'img' \(split\.column\); it has .*file"):
        FileSplit(**given, column="img").assign(table)
    with pytest.raises(AgeGenderError, match=r"split\.test=.*nowhere\.csv cannot be read: No such file"):
        FileSplit(given["train"], str(tmp_path / "nowhere.csv")).assign(table)
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "empty.csv").touch()
    (tmp_path / "quote.csv").write_text('file,age\na.jpg,1\nb"b.jpg,2\n"c"c.jpg,3\n')
    (tmp_path / "short.csv").write_text("file,age\na.jpg,1\nb.jpg\n")
    for name, reason in [
        ("binary.csv", "is not UTF-8 text"),
        ("empty.csv", r"has no column 'file' \(split\.column\); it is empty"),
        ("quote.csv", "row 4 is not well-formed CSV"),
        ("short.csv", "row 3 has 1 cells; expected 2"),
    ]:
        with pytest.raises(AgeGenderError, match=rf"split\.test=.*{name} {reason}"):
            FileSplit(given["train"], str(tmp_path / name)).assign(table)
    with pytest.raises(AgeGenderError, match="none of 30 faces is in test"):
        FileSplit(**files(tmp_path, train=names, test=["missing"]), missing="skip").assign(table)
    with pytest.raises(AgeGenderError, match="none of 30 faces is in val"):
        FileSplit(**files(tmp_path, train=names[:1], test=names[1:])).assign(table)
    with pytest.raises(AgeGenderError, match=r"data\.missing=ignore"):
        FileSplit(**given, missing="ignore")  # type: ignore[arg-type]
    with pytest.raises(AgeGenderError, match=r"split\.val_fraction=1"):
        FileSplit(**given, val_fraction=1)


def test_cleaning_gets_the_splits_that_the_files_name(tmp_path: Path, population: Population) -> None:
    table = population(30)
    table.frame.loc[0, "group"] = table.frame["group"][29]
    given = files(tmp_path, train=table.frame["path"][:20].tolist(), test=table.frame["path"][20:].tolist())
    seen = []

    def clean(written: FaceTable) -> FaceTable:
        seen.append(Counter(written.frame["split"]))
        return written.where(written.frame["split"] == "test", "dirty")

    with pytest.raises(AgeGenderError, match="none of 10 faces is in train or val"):
        FileSplit(**given).assign(table, clean)
    assert seen == [{"train": 19, "test": 10}]


def test_files_override_the_splits_that_a_dataset_predefines(tmp_path: Path, population: Population) -> None:
    table = population(30)
    names = table.frame["path"].tolist()
    table.frame["split"] = ["test"] * 20 + ["train"] * 10
    assigned = FileSplit(**files(tmp_path, train=names[:20], test=names[20:]), val_fraction=0).assign(table)
    assert splits(assigned) == dict.fromkeys(names[:20], "train") | dict.fromkeys(names[20:], "test")


def test_the_files_must_name_faces_of_every_dataset(tmp_path: Path, population: Population) -> None:
    table, other = population(30), FaceTable.of("other", Path("/other"), {"path": ["z.jpg"]})
    names = table.frame["path"].tolist()
    split = FileSplit(**files(tmp_path, train=names[:20], test=names[20:]))
    with pytest.raises(AgeGenderError, match=r"names no face of other: the files must name faces of every dataset"):
        split.assign(concat([table, other]))


def test_the_configuration_has_all_arguments() -> None:
    config = yaml.safe_load((PROJECT / "conf/split/file.yaml").read_text())
    assert config.pop("_target_") == f"{FileSplit.__module__}.{FileSplit.__qualname__}"
    assert "seed 7" in FileSplit(**{**config, "seed": 7, "missing": "skip"}).name


@pytest.mark.skipif(not (SHARED / "data/splits").is_dir(), reason="the CORAL split and UTKFace are not available")
def test_the_coral_split_of_utkface() -> None:
    table = UTKFace(str(SHARED / "data/utkface")).read()
    published = {split: str(SHARED / f"data/splits/coral_utk_{split}.csv") for split in ("train", "test")}
    with pytest.raises(AgeGenderError, match=r"^\d+ faces named by the split not found"):
        FileSplit(**published).assign(table)
    assigned = FileSplit(**published, missing="skip").assign(table)
    frame = assigned.frame
    assert frame["age_low"].min() == 21 and frame["age_low"].max() == 60
    names = {split: set(pd.read_csv(file)["file"]) for split, file in published.items()}
    test, rest = set(frame["path"][frame["split"] == "test"]), set(frame["path"][frame["split"] != "test"])
    assert test <= names["test"] and rest <= names["train"]
    assert 0.75 < len(test) / 3287 < 0.85 and 0.75 < len(rest) / 13147 < 0.85
    assert abs((frame["split"] == "val").sum() - 0.1 * len(rest)) <= 1
    assert len(frame) + len(assigned.skipped) == len(table) + len(table.skipped)
