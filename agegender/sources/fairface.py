"""FairFace (Karkkainen & Joo, WACV 2021): 97,698 faces with one of nine age ranges, balanced over seven races."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder, MakesMissing
from agegender.sources.csv_rows import csv_rows
from agegender.sources.download import FAIRFACE_FILES, download_fairface
from agegender.sources.faces import FEMALE, MALE, FaceTable, Skipped
from agegender.sources.listing import list_files

OLDEST = "more than 70"
AGES = {
    "0-2": (0, 2),
    "3-9": (3, 9),
    "10-19": (10, 19),
    "20-29": (20, 29),
    "30-39": (30, 39),
    "40-49": (40, 49),
    "50-59": (50, 59),
    "60-69": (60, 69),
    OLDEST: (70, math.inf),
}
GENDERS = {"Male": MALE, "Female": FEMALE}
RACES = ("White", "Black", "East Asian", "Southeast Asian", "Indian", "Middle Eastern", "Latino_Hispanic")
LABELS = {"train": "fairface_label_train.csv", "test": "fairface_label_val.csv"}  # published results test on val
COLUMNS = ("file", "age", "gender", "race")

# Spreadsheet programs convert 3-9 to 9 March or 3 September, and 10-19 to 19 October.
_MONTHS = {"mar": "3", "sep": "9", "oct": "10"}
_DATE = re.compile(r"0?(\d{1,2})-(mar|sep|oct)|(mar|sep|oct)-0?(\d{1,2})", re.IGNORECASE | re.ASCII)
_DAMAGED = {("3", "9"): "3-9", ("10", "19"): "10-19"}
_LISTED = 5


class FairFace:
    """Reads the official label files and their images.

    The published train split is `train`; validation faces are taken from it. The published validation split is `test`,
    because FairFace has no public test split and published results use the validation split. Ages that a spreadsheet
    program converted to dates are repaired, with a warning.

    Args:
        root: Folder of `fairface_label_train.csv` and `fairface_label_val.csv`, with the images in `train/` and `val/`.
        max_age: Upper end of the range "more than 70", in years.
        missing: What to do if images of the label files are not in the folder: `error`, or `skip` their rows and report
            them.
        download: Download the dataset from the Hugging Face hub if the folder is absent or empty.
        margin: Margin around the face in downloaded images, relative to the size of the face: 0.25 (0.6 GB) or 1.25
            (2.1 GB).
        name: Name of the dataset in tables and reports.

    Raises:
        AgeGenderError: `missing` or `margin` is not one of the allowed values.
    """

    license = (
        "FairFace: CC BY 4.0. Age range, gender and race describe appearance as judged by paid annotators; the persons did "
        "not state them."
    )

    def __init__(
        self,
        root: InputFolder,
        max_age: float = 116,
        missing: Literal["error", "skip"] = "error",
        download: MakesMissing = False,
        margin: float = 0.25,
        name: str = "fairface",
    ) -> None:
        if missing not in ("error", "skip"):
            raise AgeGenderError(f"data.missing={missing} must be error or skip")
        if margin not in FAIRFACE_FILES:
            raise AgeGenderError(f"data.sources.{name}.margin={margin} must be {' or '.join(map(str, FAIRFACE_FILES))}")
        self.root = Path(root).expanduser()
        self.max_age = max_age
        self.missing = missing
        self.download = download
        self.margin = margin
        self.name = name

    def read(self) -> FaceTable:
        """Read the labels and list the images, without decoding them.

        Raises:
            AgeGenderError: A label file cannot be read, a row is invalid, images are missing (with `missing=error`), or
                there is no image at all.
        """
        if self.download:
            download_fairface(self.root, self.margin, self.license)
        files, skipped = list_files(self.root, self.name)
        present, named = set(files), set(LABELS.values())
        columns: dict[str, list] = {key: [] for key in ("path", "age_low", "age_high", "gender", "race", "split")}
        absent: list[str] = []
        damaged: list[str] = []
        for split, label_file in LABELS.items():
            for where, row in _rows(self.root / label_file):
                path = row["file"]
                age = _age(row["age"], where)
                if age != row["age"]:
                    damaged.append(row["age"])
                gender, race = _one_of(GENDERS, "gender", row, where), _one_of(RACES, "race", row, where)
                if path in named:
                    raise AgeGenderError(f"{where}: {path!r} has two rows")
                named.add(path)
                if path not in present:
                    absent.append(path)
                    continue
                low, high = AGES[age] if age != OLDEST else (70, max(70, self.max_age))
                for key, value in zip(columns, (path, low, high, GENDERS[gender], race, split), strict=True):
                    columns[key].append(value)
        skipped += self._missing(absent, len(columns["path"]))
        skipped += [Skipped(f"{self.name}/{path}", "no row in the label files") for path in files if path not in named]
        table = FaceTable.of(self.name, self.root, columns, skipped)
        if damaged:
            table.notes.append(
                f"{self.name}: WARNING: a spreadsheet program converted {len(damaged)} ages in the label files to dates "
                f"({', '.join(sorted(set(damaged)))}); they are read as {' and '.join(_DAMAGED.values())}"
            )
        return table

    def _missing(self, absent: list[str], found: int) -> list[Skipped]:
        first = ", ".join(absent[:_LISTED]) + (", ..." if len(absent) > _LISTED else "")
        rows = len(absent) + found
        what = f"{len(absent)} of {rows} faces in the label files of data.root={self.root} have no image: {first}"
        if absent and not found:
            raise AgeGenderError(what)
        if absent and self.missing == "error":
            raise AgeGenderError(f"{what}; set data.missing=skip to skip them")
        return [Skipped(f"{self.name}/{path}", "no image for its label row (data.missing=skip)") for path in absent]


def _rows(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the place of each row of a label file, for messages, and its cells without surrounding spaces."""
    rows = csv_rows(file, name=f"data.root: the label file {file}")
    header = next(rows, (0, []))[1]
    absent = [column for column in COLUMNS if column not in header]
    if absent:
        raise AgeGenderError(f"{file} has no column {', '.join(absent)}; its header is {', '.join(header) or 'empty'}")
    for line, cells in rows:
        row = dict(zip(header, cells, strict=False))  # a row that is too short has no label, which is an error of its own
        yield f"{file} row {line}", {column: row.get(column, "") for column in COLUMNS}


def _age(text: str, where: str) -> str:
    """Key of `AGES` for a text; a text that a spreadsheet program converted to a date is repaired."""
    if text in AGES:
        return text
    if match := _DATE.fullmatch(text):
        day, month = (match[1], match[2]) if match[1] else (match[4], match[3])
        numbers = sorted((day, _MONTHS[month.lower()]), key=int)
        if repaired := _DAMAGED.get((numbers[0], numbers[1])):
            return repaired
    raise AgeGenderError(f"{where}: age {text!r} is not one of {', '.join(AGES)}")


def _one_of(allowed: dict[str, int] | tuple[str, ...], column: str, row: dict[str, str], where: str) -> str:
    if row[column] not in allowed:
        raise AgeGenderError(f"{where}: {column} {row[column]!r} is not one of {', '.join(allowed)}")
    return row[column]
