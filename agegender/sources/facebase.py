"""Databases of the benchmark of Paplham and Franc (CVPR 2024): a JSON file with the box of each face in whole pictures."""

import math
from pathlib import Path
from typing import Any, Literal

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFile, InputFolder
from agegender.sources.box import box_text, parse_box
from agegender.sources.faces import FEMALE, MALE, FaceTable, Skipped
from agegender.sources.json_rows import json_rows
from agegender.sources.listing import path_in_root

_GENDERS = {"M": MALE, "F": FEMALE}
_UNKNOWN = (None, -1, "-1", "U", "")
_PERSON = ("id_num", "name")  # keys of the person; which one depends on the database
_MAX_AGE = 120
_LISTED = 5


class Facebase:
    """Reads a database of the benchmark: an array of objects with `img_path`, `age`, `folder` and `aligned_bbox`.

    `aligned_bbox` has the four corners of the aligned face; where it is empty, `bbox` is used. `gender` (M or F) and `race` are
    read where the file has them. -1 and U mean unknown. Faces without a box, with an impossible one, or listed twice are
    skipped with a reason. All faces of a person (`id_num` or `name`) share a split; in a file without persons, all faces of a
    picture.

    The face table has an extra column `fold` with the folder, which `split=facebase` and `split=folds` read.

    Args:
        root: Folder of the pictures, to which `img_path` is relative.
        database: The JSON file: a path relative to the folder, or else relative to the current directory.
        name: Name of the dataset in tables and reports.
        license: One line: what the data may be used for and who assigned the labels.
        missing: What to do if pictures of the file are not in the folder: `error`, or `skip` their rows and report them.
    """

    def __init__(
        self,
        root: InputFolder,
        database: InputFile,
        name: str = "facebase",
        license: str = "Boxes and folders: MIT licence (Paplham and Franc). Pictures and labels: ask their owners.",
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        self.root = Path(root).expanduser()
        self.database = str(database)
        self.name = name
        self.license = license
        self.missing = missing

    def read(self) -> FaceTable:
        """Read the labels, without decoding pictures.

        Raises:
            AgeGenderError: The file cannot be read or has a value that is not allowed, or no face is left; or pictures are
                missing (with `missing=error`) or outside the folder.
        """
        columns: dict[str, list] = {name: [] for name in ("path", "box", "age_low", "gender", "race", "group")}
        folds: list[str | None] = []
        skipped: list[Skipped] = []
        absent: list[int] = []
        exists: dict[str, bool] = {}
        seen: set[tuple[str, str]] = set()
        folders: list[Any] = []  # of all rows
        not_aligned = 0
        for number, row in json_rows(self._file(), self.database):
            where = f"{self.database} row {number}"
            path = self._path(row, where)
            folders.append(row.get("folder"))
            labels = _age(row.get("age"), where), _gender(row.get("gender"), where), _race(row.get("race"), where)
            if path not in exists:
                exists[path] = (self.root / path).is_file()
            box, reason = _box(row)
            if not exists[path]:
                absent.append(number)
                reason = "image not found"
            elif not reason and (path, box) in seen:
                reason = "second row of this box"
            elif not reason and math.isnan(labels[0]) and labels[1] is None:
                reason = "age and gender are unknown"
            if reason:
                skipped.append(Skipped(f"{self.name}/{path}", f"{reason}: {where}"))
                continue
            seen.add((path, box))
            not_aligned += not row.get("aligned_bbox")
            folds.append(_folder(folders[-1]))
            for name, value in zip(columns, (path, box, *labels, self._group(row, path)), strict=True):
                columns[name].append(value)
        notes = self._missing(absent)
        if not folds:
            example = f"; for example, {skipped[0].path}: {skipped[0].reason}" if skipped else ""
            raise AgeGenderError(f"{self.database} has no face with a box in data.root={self.root}{example}")
        columns["age_high"] = columns["age_low"]
        table = FaceTable.of(self.name, self.root, columns, skipped).with_columns(fold=folds)
        table.notes += notes
        if not_aligned:
            table.notes.append(f"{self.name}: {not_aligned} of {len(table)} faces have no alignment: their bbox is used")
        if (table.frame["group"] == f"{self.name}/" + table.frame["file"]).all():
            order = ", and its folders are dealt in the order of its rows" if _in_turn(folders) else ""
            table.notes.append(f"{self.name}: the file has no persons{order}: one person may be in several folders")
        return table

    def _file(self) -> Path:
        in_root, elsewhere = self.root / Path(self.database).expanduser(), Path(self.database).expanduser()
        return elsewhere if elsewhere.exists() and not in_root.exists() else in_root

    def _path(self, row: dict[str, Any], where: str) -> str:
        image = row.get("img_path")
        if not isinstance(image, str):
            raise AgeGenderError(f"{where}: img_path={image}: expected the path of a picture in data.root")
        path = path_in_root(image, self.root)
        if path is None:
            raise AgeGenderError(f"{where}: img_path={image} is outside data.root={self.root}")
        return path

    def _group(self, row: dict[str, Any], path: str) -> str:
        person = next((row[key] for key in _PERSON if not _unknown(row.get(key))), path)
        return f"{self.name}/{person}"

    def _missing(self, absent: list[int]) -> list[str]:
        if not absent:
            return []
        rows = ", ".join(map(str, absent[:_LISTED])) + (", ..." if len(absent) > _LISTED else "")
        what = f"{len(absent)} rows of {self.database} have no image in data.root={self.root}: row {rows}"
        if self.missing == "error":
            raise AgeGenderError(f"{what}; set data.missing=skip to skip them")
        return [f"{what} (data.missing=skip)"]


def _unknown(value: Any) -> bool:
    return (isinstance(value, float) and math.isnan(value)) or (not isinstance(value, list | dict) and value in _UNKNOWN)


def _box(row: dict[str, Any]) -> tuple[str, str]:
    """The box of a row as text, and why it cannot be used; one of the two is empty."""
    numbers = row.get("aligned_bbox") or row.get("bbox")
    if not numbers:
        return "", "no alignment and no box of a face"
    try:
        box = box_text(*map(float, numbers))
    except (TypeError, ValueError, OverflowError):
        return "", "box is not numbers"
    try:
        parse_box(box)
    except ValueError as error:
        return "", str(error).partition(":")[0]
    return box, ""


def _folder(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)


def _in_turn(folders: list[Any]) -> bool:
    """Whether the folders of the rows are 0, 1, 2, ... again and again."""
    if not all(type(folder) is int for folder in folders):
        return False
    count = max(folders) + 1
    return 1 < count < len(folders) and all(folder == row % count for row, folder in enumerate(folders))


def _age(value: Any, where: str) -> float:
    if _unknown(value):
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_AGE:
        raise AgeGenderError(f"{where}: age={value}: expected 0 to {_MAX_AGE} years, or -1")
    return float(value)


def _gender(value: Any, where: str) -> int | None:
    if _unknown(value):
        return None
    if not isinstance(value, str) or value not in _GENDERS:
        raise AgeGenderError(f"{where}: gender={value}: expected M, F, U or -1")
    return _GENDERS[value]


def _race(value: Any, where: str) -> str | None:
    if _unknown(value):
        return None
    if not isinstance(value, str):
        raise AgeGenderError(f"{where}: race={value}: expected a word, U or -1")
    return value
