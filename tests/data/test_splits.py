"""Splits: stratified, group-safe, reproducible; parts that a data set names are kept."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from agegender.data.splits import RandomSplit, checksum, split_csv
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, concat

PROJECT = Path(__file__).parents[2]


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


@pytest.mark.parametrize("fractions", [(0.8, 0.2), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), ()])
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


def test_the_config_names_its_arguments() -> None:
    config = yaml.safe_load((PROJECT / "conf/split/random.yaml").read_text())
    assert config.pop("_target_") == f"{RandomSplit.__module__}.{RandomSplit.__qualname__}"
    assert "seed 7" in RandomSplit(**{**config, "seed": 7}).name


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


def test_cleaning_sees_written_parts_without_the_copies_of_held_out_faces() -> None:
    table = with_own_parts(30)
    table.frame.loc[30, "group"] = table.frame["group"][59]
    seen = []

    def clean(written: FaceTable) -> FaceTable:
        seen.append(written)
        return written.where(written.frame.index != 0, "dirty")

    assigned = RandomSplit().assign(table, clean)
    assert len(seen[0]) == 59 and seen[0].frame["split"].isna().sum() == 30 and len(assigned) == 58


def test_a_subset_is_drawn_by_the_seed_before_parts_are_dealt() -> None:
    table = population(2000)
    split = RandomSplit((0.8, 0.2, 0), seed=4, subset=500)
    result = split.assign(table)
    assert Counter(result.frame["split"]) == {"train": 400, "val": 100}
    assert "of 500 faces" in split.name and any("500 of 2000 faces drawn by seed 4" in note for note in result.notes)
    assert Counter(one.reason for one in result.skipped) == {"not drawn: split.subset=500": 1500}
    shuffled = FaceTable(table.frame.sample(frac=1, random_state=1), table.roots, [], [])
    assert parts(split.assign(shuffled)) == parts(result)
    other = RandomSplit((0.8, 0.2, 0), seed=5, subset=500).assign(table)
    assert 60 < len(set(parts(result)) & set(parts(other))) < 190  # chance: 125, standard deviation 8
    assert abs(result.frame["age_low"].mean() - table.frame["age_low"].mean()) < 4 * table.frame["age_low"].std() / 500**0.5
    assert parts(RandomSplit(subset=2000).assign(table)) == parts(RandomSplit().assign(table))


def test_more_faces_than_there_are_cannot_be_drawn() -> None:
    with pytest.raises(AgeGenderError, match=r"split.subset=31: there are 30 faces only"):
        RandomSplit(subset=31).assign(population(30))
    with pytest.raises(AgeGenderError, match=r"split.subset=0"):
        RandomSplit(subset=0)


def test_a_data_set_that_is_all_test_and_one_dealt_to_test_alone() -> None:
    own = FaceTable.of("d", Path("/d"), {"path": ["a", "b"], "split": ["test", "test"]})
    assert Counter(RandomSplit().assign(own).frame["split"]) == {"test": 2}
    plain = FaceTable.of("d", Path("/d"), {"path": ["a", "b"]})
    assert Counter(RandomSplit((0, 0, 1)).assign(plain).frame["split"]) == {"test": 2}


def test_a_copy_in_another_data_set_moves_no_other_face() -> None:
    """Groups may be named after a copy elsewhere; the order of dealing must not follow those names."""
    paths = [f"{i}.jpg" for i in range(300)]
    ages = {"age_low": [float(i % 80) for i in range(300)], "age_high": [float(i % 80) for i in range(300)]}
    alone = FaceTable.of("z", Path("/z"), {"path": paths, **ages})
    tied = FaceTable.of("z", Path("/z"), {"path": paths, **ages})
    tied.frame.loc[tied.frame.index[::7], "group"] = [f"a/{i}.jpg" for i in range(len(tied.frame.index[::7]))]
    parts = [RandomSplit().assign(table).frame["split"].tolist() for table in (alone, tied)]
    assert parts[0] == parts[1]
