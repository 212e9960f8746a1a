"""FairFace (Karkkainen and Joo, WACV 2021): 97,698 faces labelled with one of nine age ranges, balanced over seven races."""

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder
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
LABELS = {"train": "fairface_label_train.csv", "test": "fairface_label_val.csv"}  # the published val is everybody's test
COLUMNS = ("file", "age", "gender", "race")

# A spreadsheet reads 3-9 as the ninth of March or the third of September, and 10-19 as a day of October.
_MONTHS = {"mar": "3", "sep": "9", "oct": "10"}
_DATE = re.compile(r"0?(\d{1,2})-(mar|sep|oct)|(mar|sep|oct)-0?(\d{1,2})", re.IGNORECASE | re.ASCII)
_DAMAGED = {("3", "9"): "3-9", ("10", "19"): "10-19"}
_LISTED = 5


class FairFace:
    """Reads the official label files and the images that they name.

    The published train part is `train`, to be divided further, and the published val part is `test`: there is no other
    public test part, and published figures are of it. Ages that a spreadsheet turned into dates are repaired and
    counted.

    Args:
        root: folder of `fairface_label_train.csv`, `fairface_label_val.csv` and of the images in `train/` and `val/`.
        max_age: upper end in years of the range "more than 70".
        missing: what to do when there are rows without an image: `error`, or `skip` and report.
        download: fetch the data set from the Hugging Face hub if the folder is absent or empty.
        margin: how much of the surroundings fetched images show: 0.25 (0.6 GB) or 1.25 (2.1 GB).
        name: name of the data set in tables and reports.
    """

    license = (
        "FairFace: CC BY 4.0. Age range, gender and race describe appearance as judged by hired annotators; they are not "
        "what the persons say of themselves."
    )

    def __init__(
        self,
        root: InputFolder,
        max_age: float = 116,
        missing: Literal["error", "skip"] = "error",
        download: bool = False,
        margin: float = 0.25,
        name: str = "fairface",
    ) -> None:
        if missing not in ("error", "skip"):
            raise AgeGenderError(f"data.missing={missing} is neither error nor skip")
        if margin not in FAIRFACE_FILES:
            raise AgeGenderError(f"data.sources.{name}.margin={margin} is neither {' nor '.join(map(str, FAIRFACE_FILES))}")
        self.root = Path(root).expanduser()
        self.max_age = max_age
        self.missing = missing
        self.download = download
        self.margin = margin
        self.name = name

    def read(self) -> FaceTable:
        """Reads the labels and looks which images are there; decodes nothing.

        Raises:
            AgeGenderError: a label file cannot be read, a row of it is not understood (it is named), rows have no image
                (unless they may), or there is no image at all.
        """
        if self.download:
            download_fairface(self.root, self.margin, self.license)
        files, skipped = list_files(self.root, self.name)
        there, named = set(files), set(LABELS.values())
        columns: dict[str, list] = {key: [] for key in ("path", "age_low", "age_high", "gender", "race", "split")}
        absent: list[str] = []
        damaged: list[str] = []
        for part, label_file in LABELS.items():
            for where, row in _rows(self.root / label_file):
                path = row["file"]
                age = _age(row["age"], where)
                if age != row["age"]:
                    damaged.append(row["age"])
                gender, race = _one_of(GENDERS, "gender", row, where), _one_of(RACES, "race", row, where)
                if path in named:
                    raise AgeGenderError(f"{where}: {path!r} has had a row before")
                named.add(path)
                if path not in there:
                    absent.append(path)
                    continue
                low, high = AGES[age] if age != OLDEST else (70, max(70, self.max_age))
                for key, value in zip(columns, (path, low, high, GENDERS[gender], race, part), strict=True):
                    columns[key].append(value)
        skipped += self._missing(absent, len(columns["path"]))
        skipped += [Skipped(f"{self.name}/{path}", "no label file has a row for it") for path in files if path not in named]
        table = FaceTable.of(self.name, self.root, columns, skipped)
        if damaged:
            table.notes.append(
                f"{self.name}: WARNING: the label files went through a spreadsheet, which turned {len(damaged)} ages into "
                f"dates ({', '.join(sorted(set(damaged)))}): repaired to {' and '.join(_DAMAGED.values())}"
            )
        return table

    def _missing(self, absent: list[str], found: int) -> list[Skipped]:
        first = ", ".join(absent[:_LISTED]) + (", ..." if len(absent) > _LISTED else "")
        rows = len(absent) + found
        what = f"{len(absent)} of {rows} faces in the label files of data.root={self.root} have no image: {first}"
        if absent and not found:
            raise AgeGenderError(what)
        if absent and self.missing == "error":
            raise AgeGenderError(f"{what}; data.missing=skip goes on without them")
        return [Skipped(f"{self.name}/{path}", "its label row has no image (data.missing=skip)") for path in absent]


def _rows(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a label file, stripped of spaces, after the place where it stands."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restval="")
            lacking = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if lacking:
                found = ", ".join(reader.fieldnames or ["nothing"])
                raise AgeGenderError(f"{file} has no column {', '.join(lacking)}; its first line is {found}")
            for row in reader:
                yield f"{file}, line {reader.line_num}", {column: row[column].strip() for column in COLUMNS}
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise AgeGenderError(f"data.root: the label file {file} cannot be read: {reason}") from error


def _age(text: str, where: str) -> str:
    """One of `AGES`, a date in its place repaired."""
    if text in AGES:
        return text
    if match := _DATE.fullmatch(text):
        day, month = (match[1], match[2]) if match[1] else (match[4], match[3])
        numbers = sorted((day, _MONTHS[month.lower()]), key=int)
        if repaired := _DAMAGED.get((numbers[0], numbers[1])):
            return repaired
    raise AgeGenderError(f"{where}: age {text!r} is none of {', '.join(AGES)}")


def _one_of(allowed: dict[str, int] | tuple[str, ...], column: str, row: dict[str, str], where: str) -> str:
    if row[column] not in allowed:
        raise AgeGenderError(f"{where}: {column} {row[column]!r} is none of {', '.join(allowed)}")
    return row[column]
