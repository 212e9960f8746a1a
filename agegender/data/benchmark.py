"""The splits of the benchmark of Paplham and Franc (CVPR 2024): folders of faces, listed in a YAML file."""

from collections import Counter
from pathlib import Path

import numpy as np

from agegender.configuration.databases import database_name, read_benchmark
from agegender.data.folds import PUBLISHED
from agegender.data.splits import Split, count
from agegender.errors import AgeGenderError
from agegender.input_paths import InputFile
from agegender.sources.faces import SPLITS, FaceTable


class BenchmarkSplit(Split):
    """Assigns the folders of each database to splits, as a benchmark lists them.

    A benchmark has several splits: five, or one for CLAP2016. In each of them one database has train, val and test folders, and
    the others are for testing only. Faces in folders that the benchmark does not list are dropped. Train faces in a group with
    a val or test face are dropped, and so are val faces in a group with a test face.

    The test splits overlap: folders 3 and 4 are tested in two of the five splits, and folders 6 and 7 in none. A note says so.

    Args:
        benchmark: The YAML file.
        number: Number of the split, from 0.

    Raises:
        AgeGenderError: The file cannot be read or is not a benchmark, or has no split of this number.
    """

    def __init__(self, benchmark: InputFile, number: int = 0) -> None:
        self.benchmark = Path(benchmark).expanduser()
        databases = read_benchmark(self.benchmark)
        self.folders = {database_name(file): splits for file, splits in databases.items()}
        self.count = len(next(iter(self.folders.values())))
        if not 0 <= number < self.count:
            raise AgeGenderError(f"split.number={number}: expected 0 to {self.count - 1}, the splits of {self.benchmark}")
        self.number = number
        self.name = f"benchmark {self.benchmark.stem}, split {number} of {self.count}"

    def predefined(self, table: FaceTable) -> FaceTable:
        """Returns the faces in the folders of this split; splits that a dataset predefines are ignored.

        Raises:
            AgeGenderError: The benchmark does not list a dataset, or a dataset has no folders.
        """
        splits = np.full(len(table), None, dtype=object)
        notes = []
        for name, rows in table.frame.groupby("dataset", sort=False).indices.items():
            if name not in self.folders:
                raise AgeGenderError(f"{self.benchmark} does not list {name}; its databases: {', '.join(self.folders)}")
            if PUBLISHED not in table.frame or table.frame[PUBLISHED].iloc[rows].isna().all():
                raise AgeGenderError(f"split=facebase: {name} has no folders; use data=facebase")
            listed = self.folders[name][self.number]
            of_folder = {str(folder): split for split in SPLITS for folder in listed[split]}
            own = table.frame[PUBLISHED].iloc[rows]
            splits[rows] = own.map(of_folder).to_numpy(dtype=object, na_value=None)
            notes += self._notes(name, own.dropna().unique().tolist(), of_folder)
        if absent := [name for name in self.folders if name not in set(table.frame["dataset"])]:
            notes.append(f"databases of the benchmark that are not read: {', '.join(absent)}")
        kept = np.array([split is not None for split in splits], dtype=bool)
        result = table.with_columns(split=splits).where(kept, "folder is not in this split of the benchmark")
        result.notes += notes
        if not kept.all():
            result.notes.append(
                f"{count(int((~kept).sum()), 'face')} dropped: their folder is not in this split of the benchmark"
            )
        return result

    def complete(self, table: FaceTable) -> FaceTable:
        """Returns the table unchanged."""
        return table

    def _notes(self, name: str, found: list[str], of_folder: dict[str, str]) -> list[str]:
        notes = []
        if empty := [folder for folder in of_folder if folder not in found]:
            notes.append(f"{name}: {count(len(empty), 'folder')} of the benchmark without a face: {', '.join(empty)}")
        if "train" not in of_folder.values():
            return notes
        tested = Counter(folder for split in self.folders[name] for folder in split["test"])
        every = {folder for split in self.folders[name] for folders in split.values() for folder in folders}
        often = {folder for folder, times in tested.items() if times > 1}
        if self.count > 1 and (often or every - set(tested)):
            notes.append(
                f"{name}: the test splits of this benchmark are no partition: folders tested more than once: {_text(often)}; "
                f"never: {_text(every - set(tested))}"
            )
        return notes


def _text(folders: set[int]) -> str:
    return ", ".join(map(str, sorted(folders))) or "none"
