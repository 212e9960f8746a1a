"""A split that somebody has published as files of names."""

from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd

from agegender.data.splits import Split, carve, count, with_parts
from agegender.errors import AgeGenderError
from agegender.input_paths import InputFile
from agegender.sources.faces import SPLITS, FaceTable

_LISTED = 5


class FileSplit(Split):
    """A published split: CSV files of names, one for each part.

    A name matches the face whose path equals it or ends with it, whole path parts only. Train faces tied to a test or
    val face (byte-identical copies) are dropped from train, val faces tied to a test face from val. A name whose face
    was set aside earlier (a broken file, a conflicting copy) is counted, not an error.

    Args:
        train: CSV file of the train faces.
        test: CSV file of the test faces.
        val: CSV file of the val faces; without it val is carved out of train as `RandomSplit` would.
        column: the column that holds the names.
        val_fraction: part of train to carve out where there is no val file; 0 for no val part.
        seed: decides which faces are carved out.
        missing: what to do when the data set lacks faces that the files name: `error`, or `skip` and report.
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
            raise AgeGenderError(f"data.missing={missing} is neither error nor skip")
        self.files = {"train": Path(train).expanduser(), "test": Path(test).expanduser()}
        if val is not None:
            self.files["val"] = Path(val).expanduser()
        self.column = column
        self.val_fraction = val_fraction
        self.seed = seed
        self.missing = missing
        rest = "" if val is not None else f" val {100 * val_fraction:g} of train seed {seed}"
        self.name = f"file {'+'.join(path.stem for path in self.files.values())}{rest}"

    def deal(self, table: FaceTable) -> FaceTable:
        """Carves val out of train where there is no val file.

        Raises:
            AgeGenderError: some part would be empty.
        """
        parts = table.frame["split"].to_numpy(dtype=object)
        if "val" not in self.files and self.val_fraction:
            parts[carve(table.frame, np.flatnonzero(parts == "train"), self.val_fraction, self.seed)] = "val"
        empty = [part for part in SPLITS if part not in parts and (part in self.files or self.val_fraction)]
        if empty:
            raise AgeGenderError(f"split ({self.name}): no face for {' and '.join(empty)} among {len(table)} faces")
        return with_parts(table, parts)

    def written(self, table: FaceTable) -> FaceTable:
        """Keeps the faces that the files name, whatever the data set names itself.

        Raises:
            AgeGenderError: a file cannot be read or lacks the column, two files name one face, a name matches several
                faces, or faces are missing (unless they may be).
        """
        paths = table.frame["path"].tolist()
        rows_of: dict[str, list[int]] = {}
        for row, path in enumerate(paths):
            rows_of.setdefault(PurePosixPath(path).name, []).append(row)
        set_aside = {PurePosixPath(one.path).name for one in table.skipped}
        parts = np.full(len(table), None, dtype=object)
        absent: list[str] = []
        gone: list[str] = []
        for part, file in self.files.items():
            for entry in _read_names(file, self.column, f"split.{part}"):
                name = PurePosixPath(entry).name
                rows = [row for row in rows_of.get(name, []) if f"/{paths[row]}".endswith(f"/{entry}")]
                if not rows:
                    (gone if name in set_aside else absent).append(entry)
                elif len(rows) > 1:
                    both = " or ".join(paths[row] for row in rows[:2])
                    raise AgeGenderError(f"split.{part}={file}: {entry} can be {both}: give more of its path")
                elif parts[rows[0]] not in (None, part):
                    raise AgeGenderError(f"split.{part}={file}: {entry} stands in the {parts[rows[0]]} file too")
                else:
                    parts[rows[0]] = part
        named = np.array([part is not None for part in parts], dtype=bool)
        untouched = set(table.frame["dataset"]) - set(table.frame["dataset"][named])
        if untouched and named.any():
            raise AgeGenderError(
                f"split ({self.name}) names no face of {', '.join(sorted(untouched))}: list all data sets' faces in its files"
            )
        result = with_parts(table, parts).where(named, "in no part of the split")
        if absent:
            first = ", ".join(absent[:_LISTED]) + (", ..." if len(absent) > _LISTED else "")
            what = f"{count(len(absent), 'face')} named by the split not found in the data: {first}"
            if self.missing == "error":
                raise AgeGenderError(f"{what}; data.missing=skip goes on without them")
            result.notes.append(f"{what} (data.missing=skip)")
        if gone:
            result.notes.append(f"{count(len(gone), 'face')} named by the split had been set aside before")
        if not named.all():
            result.notes.append(f"{count(int((~named).sum()), 'face')} in no part of the split: left out")
        return result


def _read_names(file: Path, column: str, key: str) -> list[str]:
    try:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise AgeGenderError(f"{key}={file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if column not in frame.columns:
        raise AgeGenderError(f"{key}={file} has no column {column!r} (split.column); it has {', '.join(frame.columns)}")
    return frame[column].tolist()
