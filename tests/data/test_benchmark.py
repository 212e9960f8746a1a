"""Splits of a benchmark: folders of each database, and what they leave out."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from agegender.data.benchmark import BenchmarkSplit
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, concat

SPLITS = [
    ([0, 1, 2, 3, 4, 5], [6, 7], [8, 9]),
    ([2, 3, 4, 5, 6, 7], [8, 9], [0, 1]),
    ([4, 5, 6, 7, 8, 9], [0, 1], [2, 3]),
    ([5, 6, 7, 8, 9, 0], [1, 2], [3, 4]),
    ([6, 7, 8, 9, 0, 1], [2, 3], [4, 5]),
]
OVERLAP = "A: the test splits of this benchmark are no partition: folders tested more than once: 3, 4; never: 6, 7"


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    own = [dict(zip(("trn", "val", "tst"), split, strict=True)) for split in SPLITS]
    other = [{"trn": [], "val": [], "tst": [1, 2, 3]}] * 5
    entries = [{"database": "databases/A_aligned.json", "split": own}, {"database": "databases/B_aligned.json", "split": other}]
    (tmp_path / "A.yaml").write_text(yaml.dump(entries))
    return tmp_path / "A.yaml"


def faces(name: str, folders: list[str | None], groups: list[str] | None = None) -> FaceTable:
    columns = {"path": [f"{i}.jpg" for i in range(len(folders))], "age_low": [30.0] * len(folders)}
    more = {"group": [f"{name}/{group}" for group in groups]} if groups else {}
    table = FaceTable.of(name, Path(f"/{name}"), {**columns, "age_high": columns["age_low"], **more})
    return table.with_columns(fold=pd.array(folders, dtype="string"))


@pytest.mark.parametrize("number", range(5))
def test_folders_are_assigned_as_the_benchmark_says(number: int, benchmark: Path) -> None:
    rule = BenchmarkSplit(str(benchmark), number)
    table = rule.assign(faces("A", [str(i % 10) for i in range(30)]))
    assert len(table) == 30 and rule.describe(table) == f"benchmark A, split {number} of 5"
    for split, folders in zip(("train", "val", "test"), SPLITS[number], strict=True):
        assert sorted(table.frame["fold"][table.frame["split"] == split].astype(int).unique()) == sorted(folders)
    assert table.notes == [OVERLAP, "databases of the benchmark that are not read: B"]


def test_other_databases_are_for_testing_and_faces_in_no_folder_are_dropped(benchmark: Path) -> None:
    table = BenchmarkSplit(benchmark).assign(concat([faces("A", ["0", "8"]), faces("B", ["1", "2", "-1", None])]))
    assert table.frame["split"].tolist() == ["train", "test", "test", "test"]
    assert table.notes == [
        "A: 8 folders of the benchmark without a face: 1, 2, 3, 4, 5, 6, 7, 9",
        OVERLAP,
        "B: 1 folder of the benchmark without a face: 3",
        "2 faces dropped: their folder is not in this split of the benchmark",
    ]
    assert [one.path for one in table.skipped] == ["B/2.jpg", "B/3.jpg"]


def test_copies_and_persons_in_two_splits_are_kept_in_one(benchmark: Path) -> None:
    table = BenchmarkSplit(benchmark).assign(faces("A", ["0", "1", "6", "8"], ["p", "q", "q", "p"]))
    assert dict(zip(table.frame["path"], table.frame["split"], strict=True)) == {"2.jpg": "val", "3.jpg": "test"}
    assert "2 faces dropped from train: in the same group as held-out faces" in table.notes


def test_datasets_without_folders_or_not_listed_are_one_line(benchmark: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"A.yaml does not list C; its databases: A, B$"):
        BenchmarkSplit(benchmark).predefined(faces("C", ["0"]))
    table = faces("A", ["0"])
    with pytest.raises(AgeGenderError, match=r"split=facebase: A has no folders; use data=facebase"):
        BenchmarkSplit(benchmark).predefined(FaceTable(table.frame.drop(columns="fold"), table.roots))
    with pytest.raises(AgeGenderError, match=r"split.number=5: expected 0 to 4, the splits of .*A.yaml"):
        BenchmarkSplit(benchmark, 5)


def test_the_benchmark_of_utkface_is_read(shared: Path) -> None:
    file = shared / "data/splits/facebase/UTKFace.yaml"
    if not file.is_file():
        pytest.skip("the benchmark of UTKFace is not here")
    for number, (train, val, test) in enumerate(SPLITS):
        rule = BenchmarkSplit(file, number)
        assert rule.folders["UTKFace"][number] == {"train": train, "val": val, "test": test}
        assert rule.folders["FG-Net"][number] == {"train": [], "val": [], "test": list(range(1, 83))}
    assert list(rule.folders) == ["UTKFace", "MORPH", "CLAP2016", "AgeDB", "CACD2000", "AFAD-Full", "FG-Net"]
