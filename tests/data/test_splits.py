"""Splits: stratified, group-safe, reproducible; published files honoured and every deviation reported."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from agegender.data.splits import FileSplit, RandomSplit, checksum, split_csv
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, Skipped, concat
from agegender.sources.utkface import UTKFace

PROJECT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("AGEGENDER_SHARED", PROJECT.parent / "shared"))


def population(number: int = 2000, seed: int = 0, groups: int | None = None) -> FaceTable:
    rng = np.random.default_rng(seed)
    age = rng.gamma(3, 12, number).clip(1, 110).round()
    columns = {
        "path": [f"part{i % 3}/{i}.jpg" for i in range(number)],
        "age_low": age,
        "age_high": age,
        "gender": rng.integers(0, 2, number),
    }
    if groups:
        columns["group"] = [f"person {one}" for one in rng.integers(0, groups, number)]
    return FaceTable.of("d", Path("/d"), columns)


def parts(table: FaceTable) -> dict[str, str]:
    return dict(zip(table.frame["path"], table.frame["split"], strict=True))


def test_the_whole_and_every_stratum_are_divided_as_asked() -> None:
    frame = RandomSplit((0.7, 0.1, 0.2), seed=3).assign(population()).frame
    assert frame["split"].value_counts().to_dict() == {"train": 1400, "val": 200, "test": 400}
    for _, stratum in frame.groupby([frame["age_low"] // 10, "gender"]):
        for part, fraction in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
            assert abs((stratum["split"] == part).sum() - fraction * len(stratum)) <= 2


def test_within_a_stratum_parts_are_drawn_at_random() -> None:
    """Ages within a decade do not differ between parts, as they would if paths or ages decided."""
    number = 3000
    age = np.arange(number) % 10 + 20.0
    order = np.argsort(age, kind="stable")
    columns = {"path": [f"{i:05}" for i in range(number)], "age_low": age[order], "age_high": age[order]}
    frame = RandomSplit((0.5, 0.25, 0.25)).assign(FaceTable.of("d", Path("/d"), columns)).frame
    means = frame.groupby("split")["age_low"].mean()
    assert (means - 24.5).abs().max() < 5 * 2.87 / 750**0.5
    first = set(frame["path"][frame["split"] == "test"])
    again = RandomSplit((0.5, 0.25, 0.25), seed=1).assign(FaceTable.of("d", Path("/d"), columns)).frame
    both = len(first & set(again["path"][again["split"] == "test"]))
    assert 120 < both < 255  # chance: 187.5, standard deviation 11.9


def test_groups_are_never_torn() -> None:
    frame = RandomSplit(seed=1).assign(population(groups=300)).frame
    assert frame.groupby("group")["split"].nunique().max() == 1
    shares = frame["split"].value_counts(normalize=True)
    assert abs(shares["train"] - 0.8) < 0.02 and abs(shares["test"] - 0.1) < 0.02


def test_the_order_of_rows_and_the_folder_do_not_matter() -> None:
    table = population(300, groups=100)
    shuffled = FaceTable(table.frame.sample(frac=1, random_state=0), {"d": Path("/elsewhere")})
    first, second = RandomSplit(seed=5).assign(table), RandomSplit(seed=5).assign(shuffled)
    assert parts(first) == parts(second)
    assert split_csv(first) == split_csv(second)
    assert parts(RandomSplit(seed=6).assign(table)) != parts(first)


def test_the_split_is_the_same_in_another_process() -> None:
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('t', sys.argv[1]);"
        "t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t);"
        "print(t.checksum(t.split_csv(t.RandomSplit().assign(t.population(50)))))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code, __file__],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert runs == {checksum(split_csv(RandomSplit().assign(population(50))))}


def test_a_known_split_stays_what_it_is() -> None:
    """Whatever changes this changes every published checksum."""
    table = RandomSplit((0.5, 0.25, 0.25), seed=0).assign(population(24))
    assert "".join({"train": ".", "val": "v", "test": "t"}[part] for part in table.frame["split"]) == ".tvvtv.t.v..t..vttv....."


def test_the_seed_decides_about_rare_faces_too() -> None:
    parts = set()
    for seed in range(20):
        table = population(200)
        table.frame.loc[0, ["age_low", "age_high"]] = 115
        parts.add(RandomSplit((0.5, 0.25, 0.25), seed).assign(table).frame["split"][0])
    assert parts == {"train", "val", "test"}


def test_unknown_labels_and_one_gender() -> None:
    paths = {"path": [f"{i}.jpg" for i in range(20)]}
    unknown = RandomSplit((0.5, 0.25, 0.25)).assign(FaceTable.of("d", Path("/d"), paths))
    assert Counter(unknown.frame["split"]) == {"train": 10, "val": 5, "test": 5}
    women = FaceTable.of("d", Path("/d"), paths | {"gender": [1] * 20})
    assert Counter(RandomSplit((0.5, 0.25, 0.25)).assign(women).frame["split"]) == {"train": 10, "val": 5, "test": 5}


def test_three_faces() -> None:
    three = FaceTable.of("d", Path("/d"), {"path": ["a", "b", "c"]})
    assert Counter(RandomSplit((0.34, 0.33, 0.33)).assign(three).frame["split"]) == {"train": 1, "val": 1, "test": 1}
    with pytest.raises(AgeGenderError, match=r"\[0\.8, 0\.1, 0\.1\] of 3 faces in 3 groups leaves no face for val and test"):
        RandomSplit().assign(three)
    with pytest.raises(AgeGenderError, match="of 0 faces in 0 groups"):
        RandomSplit().assign(three.where([False] * 3))
    assert Counter(RandomSplit((1, 0, 0)).assign(three).frame["split"]) == {"train": 3}


@pytest.mark.parametrize("fractions", [(0.8, 0.2), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (0, 0.5, 0.5), ()])
def test_bad_fractions(fractions: tuple[float, ...]) -> None:
    with pytest.raises(AgeGenderError, match=r"split\.fractions="):
        RandomSplit(fractions)


def test_csv_and_checksum() -> None:
    columns = {
        "path": ["b.jpg", 'a,"1".jpg'],
        "age_low": [3, np.nan],
        "age_high": [9.5, np.nan],
        "gender": [1, None],
        "split": ["test", "train"],
    }
    text = split_csv(FaceTable.of("d", Path("/d"), columns))
    assert text == (
        "dataset,path,split,age_low,age_high,gender,group\n"
        'd,"a,""1"".jpg",train,,,,"d/a,""1"".jpg"\n'
        "d,b.jpg,test,3,9.5,1,d/b.jpg\n"
    )
    assert checksum(text) == hashlib.sha256(text.encode()).hexdigest()


def files(folder: Path, column: str = "file", **names: list[str]) -> dict[str, str]:
    for part, entries in names.items():
        pd.DataFrame({column: entries}).to_csv(folder / f"{part}.csv")
    return {part: str(folder / f"{part}.csv") for part in names}


def test_a_published_split(tmp_path: Path) -> None:
    table = population(300)
    names = [Path(path).name for path in table.frame["path"]]
    split = FileSplit(**files(tmp_path, train=names[:200], test=names[200:280]))
    assigned = split.assign(table)
    counts = Counter(assigned.frame["split"])
    assert counts == {"train": 180, "val": 20, "test": 80}
    got = parts(assigned)
    assert all(got[path] in ("train", "val") for path in table.frame["path"][:200])
    assert all(got[path] == "test" for path in table.frame["path"][200:280])
    assert {one.reason for one in assigned.skipped} == {"in no part of the split"} and len(assigned.skipped) == 20
    assert assigned.notes == ["20 faces in no part of the split: left out"]
    reseeded = FileSplit(**files(tmp_path, train=names[:200], test=names[200:280]), seed=1)
    assert parts(reseeded.assign(table)) != got and reseeded.name != split.name
    assert parts(split.assign(table)) == got


def test_a_val_file_or_no_val_at_all(tmp_path: Path) -> None:
    table = population(30)
    names = [Path(path).name for path in table.frame["path"]]
    given = files(tmp_path, train=names[:10], val=names[10:20], test=names[20:], column="image")
    assert Counter(FileSplit(**given, column="image").assign(table).frame["split"]) == dict.fromkeys(
        ("train", "val", "test"), 10
    )
    two = files(tmp_path, train=names[:10], test=names[20:])
    assert Counter(FileSplit(**two, val_fraction=0).assign(table).frame["split"]) == {"train": 10, "test": 10}


def test_carving_is_group_safe(tmp_path: Path) -> None:
    table = population(300, groups=60)
    held = set(table.frame["group"].unique()[:15])
    test = table.frame["group"].isin(held)
    given = files(tmp_path, train=table.frame["path"][~test].tolist(), test=table.frame["path"][test].tolist())
    frame = FileSplit(**given, val_fraction=0.2).assign(table).frame
    assert frame.groupby("group")["split"].nunique().max() == 1
    assert set(frame["split"]) == {"train", "val", "test"}


def test_absent_faces_are_an_error_or_a_note(tmp_path: Path) -> None:
    table = population(30)
    table.skipped.append(Skipped("d/part0/broken.jpg", "truncated JPEG"))
    names = [Path(path).name for path in table.frame["path"]]
    gone = [f"gone{i}.jpg" for i in range(7)]
    given = files(tmp_path, train=names[:20] + gone + ["broken.jpg"], test=names[20:])
    with pytest.raises(AgeGenderError, match=r"^7 faces named .*: gone0\.jpg, .*gone4\.jpg, \.\.\.; data\.missing=skip"):
        FileSplit(**given).assign(table)
    assigned = FileSplit(**given, missing="skip").assign(table)
    assert len(assigned) == 30
    assert "7 faces named by the split not found" in assigned.notes[0] and "gone4.jpg, ..." in assigned.notes[0]
    assert assigned.notes[1] == "1 face named by the split had been set aside before"


def test_train_loses_its_copies_of_held_out_faces(tmp_path: Path) -> None:
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
        f"d/{path[0]}": "train face in one group with a test face",
        f"d/{path[1]}": "train face in one group with a val face",
        f"d/{path[16]}": "val face in one group with a test face",
    }
    assert Counter(assigned.frame["split"]) == {"train": 8, "val": 9, "test": 10}
    assert assigned.notes == [
        "2 faces dropped from train: in one group with held-out faces",
        "1 face dropped from val: in one group with held-out faces",
    ]


def test_names_match_whole_parts_of_paths(tmp_path: Path) -> None:
    table = FaceTable.of("d", Path("/d"), {"path": ["train/1.jpg", "test/1.jpg", "train/11.jpg", "x_1.jpg"]})
    given = files(tmp_path, train=["train/1.jpg", "11.jpg"], test=["test/1.jpg"])
    assigned = FileSplit(**given, val_fraction=0).assign(table)
    assert parts(assigned) == {"train/1.jpg": "train", "test/1.jpg": "test", "train/11.jpg": "train"}
    with pytest.raises(AgeGenderError, match=r"split\.test=.*1\.jpg can be train/1\.jpg or test/1\.jpg"):
        FileSplit(**files(tmp_path, train=["11.jpg"], test=["1.jpg"])).assign(table)


def test_one_clear_line(tmp_path: Path) -> None:
    table = population(30)
    names = table.frame["path"].tolist()
    given = files(tmp_path, train=names[:10], test=names[9:12])
    with pytest.raises(AgeGenderError, match=r"split\.test=.*stands in the train file too"):
        FileSplit(**given).assign(table)
    with pytest.raises(AgeGenderError, match=r"split\.train=.* has no column 'img' \(split\.column\); it has .*file"):
        FileSplit(**given, column="img").assign(table)
    with pytest.raises(AgeGenderError, match=r"split\.test=.*nowhere\.csv cannot be read: No such file"):
        FileSplit(given["train"], str(tmp_path / "nowhere.csv")).assign(table)
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "empty.csv").touch()
    for name in ("binary.csv", "empty.csv"):
        with pytest.raises(AgeGenderError, match=rf"split\.test=.*{name} cannot be read"):
            FileSplit(given["train"], str(tmp_path / name)).assign(table)
    with pytest.raises(AgeGenderError, match="no face for test"):
        FileSplit(**files(tmp_path, train=names, test=["gone"]), missing="skip").assign(table)
    with pytest.raises(AgeGenderError, match="no face for val"):
        FileSplit(**files(tmp_path, train=names[:1], test=names[1:])).assign(table)
    with pytest.raises(AgeGenderError, match=r"data\.missing=ignore"):
        FileSplit(**given, missing="ignore")  # type: ignore[arg-type]
    with pytest.raises(AgeGenderError, match=r"split\.val_fraction=1"):
        FileSplit(**given, val_fraction=1)


@pytest.mark.parametrize(("choice", "kind"), [("random", RandomSplit), ("file", FileSplit)])
def test_the_config_names_its_arguments(choice: str, kind: type) -> None:
    config = yaml.safe_load((PROJECT / f"conf/split/{choice}.yaml").read_text())
    assert config.pop("_target_") == f"{kind.__module__}.{kind.__qualname__}"
    config["seed"] = 7
    if "missing" in config:
        config["missing"] = "skip"
    assert "seed 7" in kind(**config).name


@pytest.mark.skipif(not (SHARED / "data/splits").is_dir(), reason="the CORAL split and UTKFace are not here")
def test_the_coral_split_of_utkface() -> None:
    table = UTKFace(str(SHARED / "data/utkface")).read()
    published = {part: str(SHARED / f"data/splits/coral_utk_{part}.csv") for part in ("train", "test")}
    with pytest.raises(AgeGenderError, match=r"^\d+ faces named by the split not found"):
        FileSplit(**published).assign(table)
    assigned = FileSplit(**published, missing="skip").assign(table)
    frame = assigned.frame
    assert frame["age_low"].min() == 21 and frame["age_low"].max() == 60
    names = {part: set(pd.read_csv(file)["file"]) for part, file in published.items()}
    test, rest = set(frame["path"][frame["split"] == "test"]), set(frame["path"][frame["split"] != "test"])
    assert test <= names["test"] and rest <= names["train"]
    assert 0.75 < len(test) / 3287 < 0.85 and 0.75 < len(rest) / 13147 < 0.85
    assert abs((frame["split"] == "val").sum() - 0.1 * len(rest)) <= 1
    assert len(frame) + len(assigned.skipped) == len(table) + len(table.skipped)


def with_own_parts(number: int, groups: int | None = None) -> FaceTable:
    """Two data sets: `own` names train for its first two thirds and test for the others; `d` names nothing."""
    plain, own = population(number, groups=groups), population(number, seed=1)
    own.frame["dataset"], own.roots = "own", {"own": Path("/own")}
    own.frame["group"] = "own/" + own.frame["path"]
    own.frame["split"] = ["train"] * (2 * number // 3) + ["test"] * (number - 2 * number // 3)
    return concat([plain, own])


def test_parts_that_a_data_set_names_are_kept_and_val_is_carved_out_of_its_train_part() -> None:
    table = with_own_parts(900)
    split = RandomSplit((0.6, 0.2, 0.2), seed=2)
    frame = split.assign(table).frame
    own = frame["dataset"] == "own"
    named = table.frame["split"]
    assert frame["split"][own].value_counts().to_dict() == {"train": 450, "val": 150, "test": 300}
    assert (frame["split"][own & (named == "test")] == "test").all() and (
        frame["split"][own & (named == "train")] != "test"
    ).all()
    train = frame[own & (named == "train")]
    for _, stratum in train.groupby([train["age_low"] // 10, "gender"]):
        assert abs((stratum["split"] == "val").sum() - len(stratum) / 4) <= 2
    assert (
        split.describe(table) == "own parts of own, else random 60/20/20 seed 2" and split.describe(population(5)) == split.name
    )


def test_a_data_set_has_the_same_parts_alone_and_beside_another() -> None:
    table = with_own_parts(300, groups=100)
    together = parts(RandomSplit().assign(table).where(table.frame["dataset"] == "d"))
    assert together == parts(RandomSplit().assign(table.where(table.frame["dataset"] == "d")))


def test_a_val_part_that_a_data_set_names_is_kept() -> None:
    table = population(30)
    table.frame["split"] = ["train"] * 10 + ["val"] * 8 + ["test"] * 12
    assigned = RandomSplit().assign(table)
    assert parts(assigned) == parts(table)
    assert assigned.notes == ["d: 30 faces stay in the part that the data set names"]


@pytest.mark.parametrize(
    ("named", "counts"),
    [
        (["test"] * 100 + [None] * 150, {"train": 100, "val": 50, "test": 100}),
        (["test"] * 50 + ["val"] * 50 + [None] * 150, {"train": 150, "val": 50, "test": 50}),
        (["test"] * 40 + ["train"] * 60 + [None] * 150, {"train": 40 + 100, "val": 20 + 50, "test": 40}),
    ],
)
def test_unnamed_faces_go_to_train_and_to_the_parts_that_are_not_named(named: list[str | None], counts: dict[str, int]) -> None:
    table = population(250)
    table.frame["split"] = pd.array(named, dtype="string")
    assert Counter(RandomSplit((0.5, 0.25, 0.25)).assign(table).frame["split"]) == counts


def test_no_val_part_is_carved_where_none_is_wanted() -> None:
    table = with_own_parts(30)
    assert "val" not in set(RandomSplit((0.8, 0, 0.2)).assign(table).frame["split"])


def test_a_named_test_face_stays_and_its_copies_leave_train_and_val_of_every_data_set() -> None:
    table = with_own_parts(300)
    table.frame["group"] = table.frame["group"].where(table.frame.index % 300 != 299, "copies")  # one of d, one of own's test
    table.frame.loc[[300, 301], "group"] = table.frame["group"][595]  # own: two train faces are copies of a test face
    counts = Counter()
    for seed in range(10):
        assigned = RandomSplit((0.4, 0.3, 0.3), seed).assign(table)
        frame = assigned.frame
        assert frame.groupby("group")["split"].nunique().max() == 1
        assert (frame["dataset"] == "own").sum() == 298 and (frame["split"][frame["dataset"] == "own"] == "test").sum() == 100
        left_out = {one.path: one.reason for one in assigned.skipped}
        own = [left_out.pop(table.names()[row]) for row in (300, 301)]
        assert own == ["train face in one group with a test face"] * 2
        assert assigned.notes[0] == "2 faces dropped from train: in one group with held-out faces"
        assert set(left_out) <= {table.names()[299]}
        counts[left_out.get(table.names()[299])] += 1  # dealt to test it stays
    assert set(counts) == {None, "train face in one group with a test face", "val face in one group with a test face"}


def test_cleaning_sees_written_parts_without_the_copies_of_held_out_faces(tmp_path: Path) -> None:
    table = with_own_parts(30)
    table.frame.loc[30, "group"] = table.frame["group"][59]
    seen = []

    def clean(written: FaceTable) -> FaceTable:
        seen.append(written)
        return written.where(written.frame.index != 0, "dirty")

    assigned = RandomSplit().assign(table, clean)
    assert len(seen[0]) == 59 and seen[0].frame["split"].isna().sum() == 30 and len(assigned) == 58
    of_file = files(tmp_path, train=table.frame["path"][:20].tolist(), test=table.frame["path"][20:30].tolist())
    FileSplit(**of_file).assign(population(30), clean)
    assert Counter(seen[1].frame["split"]) == {"train": 20, "test": 10}


def test_the_files_of_a_split_overrule_the_parts_that_a_data_set_names(tmp_path: Path) -> None:
    table = population(30)
    names = table.frame["path"].tolist()
    table.frame["split"] = ["test"] * 20 + ["train"] * 10
    assigned = FileSplit(**files(tmp_path, train=names[:20], test=names[20:]), val_fraction=0).assign(table)
    assert parts(assigned) == dict.fromkeys(names[:20], "train") | dict.fromkeys(names[20:], "test")
