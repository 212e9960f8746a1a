"""Annotation files of MiVOLO (Kuprashevich and Tolstykh, 2023): a CSV file with the box of each face in whole pictures."""

import math
from pathlib import Path
from typing import Literal

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFile, InputFolder
from agegender.sources.box import box_text, parse_box
from agegender.sources.csv_rows import csv_rows
from agegender.sources.faces import FEMALE, MALE, FaceTable, Skipped
from agegender.sources.listing import path_in_root

BOX = ("face_x0", "face_y0", "face_x1", "face_y1")
REQUIRED = ("img_name", "age", "gender", *BOX)
_GENDERS = {"M": MALE, "F": FEMALE, "-1": None}
_MAX_AGE = 120
_LISTED = 5


class MivoloCsv:
    """Reads annotations of MiVOLO: the columns `img_name`, `age`, `gender`, `face_x0`, `face_y0`, `face_x1`, `face_y1`.

    The age is a number or a range (`30;35`), the gender M or F; -1 is unknown. Boxes of persons and other columns are not
    read. Faces without a box (-1) or with an impossible one are skipped with a reason. All faces of a picture share a split.

    Args:
        root: Folder of the pictures.
        csv: The annotation file: a path relative to the folder, or else relative to the current directory.
        name: Name of the dataset in tables and reports.
        license: One line: what the data may be used for and who assigned the labels.
        missing: What to do if pictures of the file are not in the folder: `error`, or `skip` their rows and report them.
    """

    def __init__(
        self,
        root: InputFolder,
        csv: InputFile,
        name: str = "mivolo_csv",
        license: str = "Licence unknown: ask the owners of the pictures and annotations.",
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        self.root = Path(root).expanduser()
        self.csv = str(csv)
        self.name = name
        self.license = license
        self.missing = missing

    def read(self) -> FaceTable:
        """Read the annotations, without decoding pictures.

        Raises:
            AgeGenderError: The file cannot be read, has no such columns or a value that is not allowed, or no face is left;
                or pictures are missing (with `missing=error`) or outside the folder.
        """
        rows = csv_rows(self._file(), name=self.csv)
        _, header = next(rows, (0, []))
        if absent := [name for name in REQUIRED if name not in header]:
            raise AgeGenderError(f"{self.csv} has no column {', '.join(absent)}; required are {', '.join(REQUIRED)}")
        columns: dict[str, list] = {name: [] for name in ("path", "box", "age_low", "age_high", "gender")}
        skipped, absent, exists, seen = [], [], {}, set()
        for line, cells in rows:
            where = f"{self.csv} row {line}"
            if len(cells) != len(header):
                raise AgeGenderError(f"{where} has {len(cells)} cells instead of {len(header)}")
            row = dict(zip(header, cells, strict=True))
            path = path_in_root(row["img_name"], self.root)
            if path is None:
                raise AgeGenderError(f"{where}: img_name={row['img_name']} is outside data.root={self.root}")
            face = f"{self.name}/{path}"
            if path not in exists:
                exists[path] = (self.root / path).is_file()
            if not exists[path]:
                absent.append(where)
                skipped.append(Skipped(face, f"image not found: {where}"))
                continue
            (low, high), gender = _age(row["age"], where), _gender(row["gender"], where)
            box, reason = _box([row[name] for name in BOX])
            if not reason and (path, box) in seen:
                reason = "second row of this box"
            if not reason and math.isnan(low) and gender is None:
                reason = "age and gender are unknown"
            if reason:
                skipped.append(Skipped(face, f"{reason}: {where}"))
                continue
            seen.add((path, box))
            for name, value in zip(columns, (path, box, low, high, gender), strict=True):
                columns[name].append(value)
        table_notes = self._missing(absent)
        if not columns["path"]:
            example = f"; for example, {skipped[0].path}: {skipped[0].reason}" if skipped else ""
            raise AgeGenderError(f"{self.csv} has no face with a box in data.root={self.root}{example}")
        table = FaceTable.of(self.name, self.root, columns, skipped)
        table.notes += table_notes
        return table

    def _file(self) -> Path:
        in_root, elsewhere = self.root / Path(self.csv).expanduser(), Path(self.csv).expanduser()
        return elsewhere if elsewhere.exists() and not in_root.exists() else in_root

    def _missing(self, absent: list[str]) -> list[str]:
        if not absent:
            return []
        more = ", ..." if len(absent) > _LISTED else ""
        what = f"{len(absent)} rows have no image in data.root={self.root}: {', '.join(absent[:_LISTED])}{more}"
        if self.missing == "error":
            raise AgeGenderError(f"{what}; set data.missing=skip to skip them")
        return [f"{what} (data.missing=skip)"]


def _box(texts: list[str]) -> tuple[str, str]:
    """The box of a row as text, and why it cannot be used; one of the two is empty."""
    if all(text.strip() in ("", "-1", "-1.0") for text in texts):
        return "", "no box of a face"
    try:
        parse_box(" ".join(texts))
        box = box_text(*map(float, texts))
        parse_box(box)  # rounded, it may have no area
    except ValueError as error:
        return "", str(error).partition(":")[0]
    return box, ""


def _age(text: str, where: str) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in (text.split(";") if ";" in text else [text, text]))
    except ValueError as error:
        raise AgeGenderError(f"{where}: age={text}: expected years (35), a range (30;35) or -1") from error
    if low == high == -1:
        return math.nan, math.nan
    if not 0 <= low <= high <= _MAX_AGE:
        raise AgeGenderError(f"{where}: age={text}: expected 0 to {_MAX_AGE} years, a range in order, or -1")
    return low, high


def _gender(text: str, where: str) -> int | None:
    if text not in _GENDERS:
        raise AgeGenderError(f"{where}: gender={text}: expected M, F or -1")
    return _GENDERS[text]
