"""Random splits: reproducible, in whole groups; splits that a dataset predefines are kept."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from agegender.data.split_csv import split_checksum, split_csv
from agegender.data.splits import RandomSplit
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, concat

PROJECT = Path(__file__).parents[2]
Population = Callable[..., FaceTable]


def splits(table: FaceTable) -> dict[str, str]:
    return dict(zip(table.frame["path"], table.frame["split"], strict=True))


def test_fractions_hold_overall_and_in_each_stratum(population: Population) -> None:
    frame = RandomSplit((0.7, 0.1, 0.2), seed=3).assign(population()).frame
    assert frame["split"].value_counts().to_dict() == {"train": 1400, "val": 200, "test": 400}
    for _, stratum in frame.groupby([frame["age_low"] // 10, "gender"]):
        for split, fraction in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
            assert abs((stratum["split"] == split).sum() - fraction * len(stratum)) <= 2


def test_groups_stay_together(population: Population) -> None:
    frame = RandomSplit(seed=1).assign(population(groups=300)).frame
    assert frame.groupby("group")["split"].nunique().max() == 1
    shares = frame["split"].value_counts(normalize=True)
    assert abs(shares["train"] - 0.8) < 0.02 and abs(shares["test"] - 0.1) < 0.02


def checksum(table: FaceTable) -> str:
    return split_checksum(split_csv(table.with_columns(sha256="")))


def test_the_order_of_rows_and_the_folder_do_not_matter_and_the_seed_does(population: Population) -> None:
    table = population(300, groups=100)
    shuffled = FaceTable(table.frame.sample(frac=1, random_state=0), {"d": Path("/elsewhere")})
    first, second = RandomSplit(seed=5).assign(table), RandomSplit(seed=5).assign(shuffled)
    assert splits(first) == splits(second)
    assert checksum(first) == checksum(second)
    assert splits(RandomSplit(seed=6).assign(table)) != splits(first)


def test_the_split_is_the_same_in_another_process(population: Population) -> None:
    code = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('tables', sys.argv[1]);"
        "tables = importlib.util.module_from_spec(spec); spec.loader.exec_module(tables);"
        "from agegender.data.split_csv import split_checksum, split_csv; from agegender.data.splits import RandomSplit;"
        "print(split_checksum(split_csv(RandomSplit().assign(tables.make_population(50)).with_columns(sha256=''))))"
    )
    checksums = {
        subprocess.run(
            [sys.executable, "-c", code, Path(__file__).with_name("conftest.py")],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert checksums == {checksum(RandomSplit().assign(population(50)))}


def test_a_known_split_does_not_change(population: Population) -> None:
    """If it changed, runs made before could not be resumed, and published checksums would be wrong."""
    table = RandomSplit((0.5, 0.25, 0.25), seed=0).assign(population(24))
    assert (
        "".join({"train": ".", "val": "v", "test": "t"}[split] for split in table.frame["split"]) == ".tvvtv.t.v..t..vttv....."
    )


def test_unknown_labels_and_one_gender() -> None:
    paths = {"path": [f"{i}.jpg" for i in range(20)]}
    unknown = RandomSplit((0.5, 0.25, 0.25)).assign(FaceTable.of("d", Path("/d"), paths))
    assert Counter(unknown.frame["split"]) == {"train": 10, "val": 5, "test": 5}
    women = FaceTable.of("d", Path("/d"), paths | {"gender": [1] * 20})
    assert Counter(RandomSplit((0.5, 0.25, 0.25)).assign(women).frame["split"]) == {"train": 10, "val": 5, "test": 5}


def test_empty_splits_raise_unless_their_fraction_is_0() -> None:
    three = FaceTable.of("d", Path("/d"), {"path": ["a", "b", "c"]})
    assert Counter(RandomSplit((0.34, 0.33, 0.33)).assign(three).frame["split"]) == {"train": 1, "val": 1, "test": 1}
    with pytest.raises(AgeGenderError, match=r"\[0\.8, 0\.1, 0\.1\] of 3 faces in 3 groups gives no face to val and test"):
        RandomSplit().assign(three)
    with pytest.raises(AgeGenderError, match="of 0 faces in 0 groups"):
        RandomSplit().assign(three.where([False] * 3))
    assert Counter(RandomSplit((1, 0, 0)).assign(three).frame["split"]) == {"train": 3}


@pytest.mark.parametrize("fractions", [(0.8, 0.2), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), ()])
def test_wrong_fractions_raise(fractions: tuple[float, ...]) -> None:
    with pytest.raises(AgeGenderError, match=r"split\.fractions=.* must be three numbers >= 0 that sum to 1"):
        RandomSplit(fractions)


def test_the_configuration_has_all_arguments() -> None:
    config = yaml.safe_load((PROJECT / "conf/split/random.yaml").read_text())
    assert config.pop("_target_") == f"{RandomSplit.__module__}.{RandomSplit.__qualname__}"
    assert "seed 7" in RandomSplit(**{**config, "seed": 7}).name


@pytest.fixture
def with_predefined(population: Population) -> Population:
    """Makes two datasets: ``own`` predefines train for two thirds of its faces and test for the rest; ``d`` nothing."""

    def make(number: int, groups: int | None = None) -> FaceTable:
        plain, own = population(number, groups=groups), population(number, seed=1)
        own.frame["dataset"], own.roots = "own", {"own": Path("/own")}
        own.frame["group"] = "own/" + own.frame["path"]
        own.frame["split"] = ["train"] * (2 * number // 3) + ["test"] * (number - 2 * number // 3)
        return concat([plain, own])

    return make


def test_predefined_splits_are_kept_and_val_is_taken_from_the_predefined_train_split(
    with_predefined: Population, population: Population
) -> None:
    table = with_predefined(900)
    split = RandomSplit((0.6, 0.2, 0.2), seed=2)
    assigned = split.assign(table)
    frame, predefined = assigned.frame, table.frame["split"]
    own = frame["dataset"] == "own"
    assert frame["split"][own].value_counts().to_dict() == {"train": 450, "val": 150, "test": 300}
    assert (frame["split"][own & (predefined == "test")] == "test").all()
    assert (frame["split"][own & (predefined == "train")] != "test").all()
    train = frame[own & (predefined == "train")]
    for _, stratum in train.groupby([train["age_low"] // 10, "gender"]):
        assert abs((stratum["split"] == "val").sum() - len(stratum) / 4) <= 2
    assert assigned.notes == ["own: the dataset predefines the split of 900 faces; 150 faces moved from its train split to val"]
    assert split.describe(table) == "predefined splits of own, else random 60/20/20 seed 2"
    assert split.describe(population(5)) == split.name


def test_a_dataset_has_the_same_splits_alone_and_with_another(with_predefined: Population) -> None:
    table = with_predefined(300, groups=100)
    together = splits(RandomSplit().assign(table).where(table.frame["dataset"] == "d"))
    assert together == splits(RandomSplit().assign(table.where(table.frame["dataset"] == "d")))


def test_a_predefined_val_split_is_kept(population: Population) -> None:
    table = population(30)
    table.frame["split"] = ["train"] * 10 + ["val"] * 8 + ["test"] * 12
    assigned = RandomSplit().assign(table)
    assert splits(assigned) == splits(table)
    assert assigned.notes == ["d: the dataset predefines the split of 30 faces"]


@pytest.mark.parametrize(
    ("predefined", "counts"),
    [
        (["test"] * 100 + [None] * 150, {"train": 100, "val": 50, "test": 100}),
        (["test"] * 50 + ["val"] * 50 + [None] * 150, {"train": 150, "val": 50, "test": 50}),
        (["test"] * 40 + ["train"] * 60 + [None] * 150, {"train": 40 + 100, "val": 20 + 50, "test": 40}),
    ],
)
def test_faces_without_a_split_go_to_train_and_to_the_splits_that_are_not_predefined(
    predefined: list[str | None], counts: dict[str, int], population: Population
) -> None:
    table = population(250)
    table.frame["split"] = pd.array(predefined, dtype="string")
    assert Counter(RandomSplit((0.5, 0.25, 0.25)).assign(table).frame["split"]) == counts


def test_with_a_val_fraction_of_0_there_is_no_val_split(with_predefined: Population) -> None:
    assert set(RandomSplit((0.8, 0, 0.2)).assign(with_predefined(30)).frame["split"]) == {"train", "test"}


def test_copies_of_a_predefined_test_face_are_dropped_from_train_and_val_of_every_dataset(with_predefined: Population) -> None:
    table = with_predefined(300)
    copy = 299  # a face of d and a test face of own are copies
    table.frame["group"] = table.frame["group"].where(table.frame.index % 300 != copy, "copies")
    table.frame.loc[[300, 301], "group"] = table.frame["group"][595]  # two train faces of own are copies of a test face
    counts = Counter()
    for seed in range(10):
        assigned = RandomSplit((0.4, 0.3, 0.3), seed).assign(table)
        frame = assigned.frame
        assert frame.groupby("group")["split"].nunique().max() == 1
        assert (frame["dataset"] == "own").sum() == 298 and (frame["split"][frame["dataset"] == "own"] == "test").sum() == 100
        dropped = {one.path: one.reason for one in assigned.skipped}
        own = [dropped.pop(table.names()[row]) for row in (300, 301)]
        assert own == ["train face in the same group as a test face"] * 2
        assert assigned.notes[0] == "2 faces dropped from train: in the same group as held-out faces"
        assert set(dropped) <= {table.names()[copy]}
        counts[dropped.get(table.names()[copy])] += 1  # None: it was assigned to test, where it is kept
    assert set(counts) == {None, *(f"{split} face in the same group as a test face" for split in ("train", "val"))}


def test_cleaning_gets_the_predefined_splits_without_copies_of_held_out_faces(with_predefined: Population) -> None:
    table = with_predefined(30)
    table.frame.loc[30, "group"] = table.frame["group"][59]
    seen = []

    def clean(predefined: FaceTable) -> FaceTable:
        seen.append(predefined)
        return predefined.where(predefined.frame.index != 0, "dirty")

    assigned = RandomSplit().assign(table, clean)
    assert len(seen[0]) == 59 and seen[0].frame["split"].isna().sum() == 30 and len(assigned) == 58


def test_a_subset_is_drawn_by_the_seed_before_the_assignment(population: Population) -> None:
    table = population(2000)
    split = RandomSplit((0.8, 0.2, 0), seed=4, subset=500)
    result = split.assign(table)
    assert Counter(result.frame["split"]) == {"train": 400, "val": 100}
    assert "of 500 faces" in split.name
    assert result.notes == ["500 of 2000 faces drawn at random (split.subset, seed 4)"]
    assert Counter(one.reason for one in result.skipped) == {"not drawn (split.subset=500)": 1500}
    shuffled = FaceTable(table.frame.sample(frac=1, random_state=1), table.roots, [], [])
    assert splits(split.assign(shuffled)) == splits(result)
    other = RandomSplit((0.8, 0.2, 0), seed=5, subset=500).assign(table)
    assert 60 < len(set(splits(result)) & set(splits(other))) < 190  # expected by chance: 125, standard deviation 8
    assert abs(result.frame["age_low"].mean() - table.frame["age_low"].mean()) < 4 * table.frame["age_low"].std() / 500**0.5
    assert splits(RandomSplit(subset=2000).assign(table)) == splits(RandomSplit().assign(table))


def test_a_wrong_subset_raises(population: Population) -> None:
    with pytest.raises(AgeGenderError, match=r"split\.subset=31 is more than the 30 faces that there are"):
        RandomSplit(subset=31).assign(population(30))
    with pytest.raises(AgeGenderError, match=r"split\.subset=0 must be a number of faces >= 1"):
        RandomSplit(subset=0)


def test_all_faces_may_be_in_test() -> None:
    predefined = FaceTable.of("d", Path("/d"), {"path": ["a", "b"], "split": ["test", "test"]})
    assert Counter(RandomSplit().assign(predefined).frame["split"]) == {"test": 2}
    plain = FaceTable.of("d", Path("/d"), {"path": ["a", "b"]})
    assert Counter(RandomSplit((0, 0, 1)).assign(plain).frame["split"]) == {"test": 2}
