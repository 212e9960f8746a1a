"""A split that is published as files of names."""

from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from agegender.data.named_faces import NamedFaces
from agegender.data.splits import Split, count, validation_rows
from agegender.errors import AgeGenderError
from agegender.input_paths import InputFile
from agegender.sources.csv_rows import csv_rows
from agegender.sources.faces import SPLITS, FaceTable

_EXAMPLES = 5  # names in a message


class FileSplit(Split):
    """Assigns faces by CSV files of names, one file for each split.

    A name matches a face if it equals the path of the face or its last components (see ``NamedFaces``). Faces that no file
    names are dropped. Train faces in a group with a val or test face are dropped, and so are val faces in a group with a test
    face. A name of a face that was skipped before (such as an unreadable file) is reported and is not an error.

    Args:
        train: CSV file with the names of the train faces.
        test: CSV file with the names of the test faces.
        val: CSV file with the names of the val faces; None moves ``val_fraction`` of the train faces to val.
        column: Column of the names.
        val_fraction: Fraction of the train faces to move to val if there is no val file, at least 0 and below 1; 0 for no
            val split.
        seed: Determines which faces are moved to val.
        missing: What to do if the data lacks faces that the files name: ``error`` raises, ``skip`` reports them.

    Raises:
        AgeGenderError: ``val_fraction`` or ``missing`` has a value that is not allowed.
    """

    def __init__(
        self,
        train: InputFile,
        test: InputFile,
        val: InputFile | None = None,
        column: str = "file",
        val_fraction: float = 0.1,
        seed: int = 0,
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        if not 0 <= val_fraction < 1:
            raise AgeGenderError(f"split.val_fraction={val_fraction} must be at least 0 and below 1")
        if missing not in ("error", "skip"):
            raise AgeGenderError(f"data.missing={missing} must be error or skip")
        self.files = {"train": Path(train).expanduser(), "test": Path(test).expanduser()}
        if val is not None:
            self.files["val"] = Path(val).expanduser()
        self.column = column
        self.val_fraction = val_fraction
        self.seed = seed
        self.missing = missing
        rest = "" if val is not None else f" val {100 * val_fraction:g} of train seed {seed}"
        self.name = f"file {'+'.join(path.stem for path in self.files.values())}{rest}"

    def complete(self, table: FaceTable) -> FaceTable:
        """Moves train faces to val if there is no val file.

        Raises:
            AgeGenderError: A split would be empty.
        """
        splits = table.frame["split"].to_numpy(dtype=object)
        if "val" not in self.files and self.val_fraction:
            splits[validation_rows(table, np.flatnonzero(splits == "train"), self.val_fraction, self.seed)] = "val"
        empty = [split for split in SPLITS if split not in splits and (split in self.files or self.val_fraction)]
        if empty:
            raise AgeGenderError(f"split ({self.name}): none of {count(len(table), 'face')} is in {' or '.join(empty)}")
        return table.with_columns(split=splits)

    def predefined(self, table: FaceTable) -> FaceTable:
        """Returns the faces that the files name; splits that a dataset predefines are ignored.

        Raises:
            AgeGenderError: A file cannot be read or lacks the column, two files name the same face, a name matches
                several faces, the files name no face of a dataset, or named faces are missing and ``missing`` is
                ``error``.
        """
        paths, named_faces = table.frame["path"].tolist(), NamedFaces(table)
        skipped_names = {PurePosixPath(one.path).name for one in table.skipped}
        splits = np.full(len(table), None, dtype=object)
        missing: list[str] = []
        skipped: list[str] = []
        for split, file in self.files.items():
            for entry in _read_names(file, self.column, f"split.{split}"):
                rows = named_faces.rows(entry)
                if not rows:
                    (skipped if PurePosixPath(entry).name in skipped_names else missing).append(entry)
                elif len(rows) > 1:
                    both = " and ".join(paths[row] for row in rows[:2])
                    raise AgeGenderError(f"split.{split}={file}: {entry} matches both {both}; add folders to the name")
                elif splits[rows[0]] not in (None, split):
                    raise AgeGenderError(f"split.{split}={file}: {entry} is also in the {splits[rows[0]]} file")
                else:
                    splits[rows[0]] = split
        named = np.array([split is not None for split in splits], dtype=bool)
        unnamed = set(table.frame["dataset"]) - set(table.frame["dataset"][named])
        if unnamed and named.any():
            raise AgeGenderError(
                f"split ({self.name}) names no face of {', '.join(sorted(unnamed))}: the files must name faces of every dataset"
            )
        result = table.with_columns(split=splits).where(named, "not named by the split")
        if missing:
            first = ", ".join(missing[:_EXAMPLES]) + (", ..." if len(missing) > _EXAMPLES else "")
            what = f"{count(len(missing), 'face')} named by the split not found in the data: {first}"
            if self.missing == "error":
                raise AgeGenderError(f"{what}; data.missing=skip continues without them")
            result.notes.append(f"{what} (data.missing=skip)")
        if skipped:
            result.notes.append(f"{count(len(skipped), 'face')} named by the split had been skipped before")
        if not named.all():
            result.notes.append(f"{count(int((~named).sum()), 'face')} dropped: not named by the split")
        return result


def _read_names(file: Path, column: str, key: str) -> list[str]:
    rows = csv_rows(file, name=f"{key}={file}")
    header = next(rows, (0, []))[1]
    if column not in header:
        has = f"it has {', '.join(header)}" if header else "it is empty"
        raise AgeGenderError(f"{key}={file} has no column {column!r} (split.column); {has}")
    names = []
    for line, cells in rows:
        if len(cells) != len(header):
            raise AgeGenderError(f"{key}={file} row {line} has {len(cells)} cells; expected {len(header)}")
        names.append(cells[header.index(column)])
    return names
