"""The table of labelled faces: the schema that every source returns and every later stage uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError
from agegender.sources.box import face_name

DTYPES = {
    "path": "string",
    "dataset": "string",
    "age_low": "float64",
    "age_high": "float64",
    "gender": "Int8",
    "race": "string",
    "group": "string",
    "split": "string",
}
COLUMNS = tuple(DTYPES)
BOXED = frozenset({"file", "box"})
SPLITS = ("train", "val", "test")
MALE, FEMALE = 0, 1


@dataclass(frozen=True)
class Skipped:
    """A file or face that is not used, and the reason.

    Attributes:
        path: `dataset/path`, where `path` is relative to the root of the dataset.
        reason: A short phrase. After a colon it may give a detail of this one file; summaries group by the text before it.
    """

    path: str
    reason: str


class Source(Protocol):
    """A dataset on disk that can be read into a table of faces.

    Attributes:
        name: Name of the dataset, unique in a run.
        root: Folder of the dataset. Paths in the table are relative to it.
        license: One line: what the data may be used for and who assigned the labels.
    """

    name: str
    root: Path
    license: str

    def read(self) -> "FaceTable":
        """List the files and parse their labels, without decoding images."""
        ...


@dataclass
class FaceTable:
    """Labelled faces, one per row, with the skipped files and notes about the reading.

    Columns of `frame` (more columns may follow):
        path: POSIX path relative to the root of the dataset, so a moved folder gives the same split.
        dataset: Name of the dataset, a key of `roots`.
        age_low, age_high: Labelled age interval in years, both ends included. Equal for an exact age, NaN if unknown.
        gender: 0 = male, 1 = female, by appearance as judged by the labeller; NA if unknown.
        race: By appearance as judged by the labeller, with the class names of the dataset; NA if unknown.
        group: All faces of a group belong to the same split, for example all images of one person.
        split: `train`, `val` or `test`; NA before a split is assigned.

    Two more columns if faces are regions of pictures:
        file: POSIX path of the picture, relative to the root. `path` is then a name of the face, `FILE#BOX`.
        box: The region, as `agegender.sources.box.parse_box` reads it; empty for the whole picture.

    Attributes:
        frame: The faces. Its index is always 0 to n - 1.
        roots: Folder of each dataset.
        skipped: Files and faces that are not used.
        notes: Messages for the user, one line each.

    Raises:
        AgeGenderError: A column is missing or a value violates the schema. The message names the first such row.
    """

    frame: pd.DataFrame
    roots: dict[str, Path]
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        absent = [name for name in COLUMNS if name not in self.frame.columns]
        if absent:
            raise AgeGenderError(f"face table: no column {', '.join(absent)}; required are {', '.join(COLUMNS)}")
        frame = self.frame.reset_index(drop=True)
        for name in BOXED.intersection(frame.columns):
            frame[name] = frame[name].astype("string").fillna(frame["path"] if name == "file" else "")
        for name, dtype in DTYPES.items():
            try:
                frame[name] = frame[name].astype(dtype)
            except (TypeError, ValueError) as error:
                raise AgeGenderError(f"face table: column {name} must be {dtype}: {error}") from error
        self.frame = frame[[*COLUMNS, *(name for name in frame.columns if name not in COLUMNS)]]
        self._validate()

    def _validate(self) -> None:
        frame, low, high = self.frame, self.frame["age_low"], self.frame["age_high"]
        rules = [
            (frame["path"].isna() | frame["path"].str.startswith("/"), "path must be relative to the root of the dataset"),
            (~frame["dataset"].isin(list(self.roots)), f"dataset must be one of {', '.join(self.roots) or '(none)'}"),
            (low.isna() != high.isna(), "age_low and age_high must both be known or both be unknown"),
            (low.notna() & ~((low >= 0) & (low <= high) & np.isfinite(high)), "ages must satisfy 0 <= low <= high"),
            (~frame["gender"].isin([MALE, FEMALE, pd.NA]), "gender must be 0 (male), 1 (female) or NA"),
            (frame["group"].isna(), "group must be known"),
            (~frame["split"].isin([*SPLITS, pd.NA]), f"split must be {', '.join(SPLITS)} or NA"),
            (frame.duplicated(["dataset", "path"]), "the file, or the box in it, is in the table twice"),
        ]
        for broken, rule in rules:
            rows = np.flatnonzero(broken.to_numpy(dtype=bool))
            if len(rows):
                values = {name: frame[name].iloc[rows[0]] for name in COLUMNS}
                raise AgeGenderError(
                    f"face table, row {rows[0]} ({values['dataset']}/{values['path']}): {rule}; got age_low="
                    f"{values['age_low']}, age_high={values['age_high']}, gender={values['gender']}, "
                    f"group={values['group']}, split={values['split']}"
                )

    @classmethod
    def of(cls, dataset: str, root: Path, columns: Mapping[str, Any], skipped: Sequence[Skipped] = ()) -> Self:
        """Make the table of one dataset.

        Args:
            dataset: Name of the dataset.
            root: Folder of the dataset.
            columns: One sequence per column. `path` is required. Labels of missing columns are unknown; without `group`
                each face is a group of its own, and with `box` each picture. With `box`, `path` is that of the picture.
            skipped: Files and faces that the reader does not use.
        """
        frame = pd.DataFrame({"path": pd.array(list(columns["path"]), dtype="string")})
        if "box" in columns:
            frame["file"], frame["box"] = frame["path"], pd.array(list(columns["box"]), dtype="string")
            frame["path"] = pd.array(list(map(face_name, frame["file"], frame["box"])), dtype="string")
        frame["dataset"] = dataset
        for name, dtype in DTYPES.items():
            if name in columns and name != "path":
                frame[name] = pd.array(list(columns[name]), dtype=dtype)
            elif name == "group":
                frame[name] = f"{dataset}/" + frame["file" if "file" in frame else "path"]
            elif name not in ("path", "dataset"):
                frame[name] = pd.array([np.nan if dtype == "float64" else pd.NA] * len(frame), dtype=dtype)
        return cls(frame, {dataset: Path(root)}, list(skipped))

    def __len__(self) -> int:
        return len(self.frame)

    def names(self) -> list[str]:
        """`dataset/path` of each face, in row order."""
        return (self.frame["dataset"] + "/" + self.frame["path"]).tolist()

    def files(self) -> list[Path]:
        """Absolute path of the image of each face, in row order."""
        return image_files(self.frame, {name: root.absolute() for name, root in self.roots.items()})

    def boxes(self) -> list[str]:
        """Box of each face, in row order; empty for the whole picture."""
        return self.frame["box"].tolist() if "box" in self.frame else [""] * len(self)

    def where(self, mask: Any, reason: str | Sequence[str] | None = None) -> "FaceTable":
        """Keep the faces for which the mask is true.

        Args:
            mask: One boolean per row.
            reason: Why the other faces are skipped: one reason for all, or one per row (reasons of kept rows are ignored).
                Without a reason the other faces are not added to `skipped`, for example when selecting one split.
        """
        keep = np.asarray(mask, dtype=bool)
        skipped = list(self.skipped)
        if reason is not None:
            names = self.names()
            skipped += [
                Skipped(names[row], reason if isinstance(reason, str) else reason[row])
                for row in np.flatnonzero(~keep).tolist()
            ]
        return FaceTable(self.frame[keep], dict(self.roots), skipped, list(self.notes))

    def with_columns(self, **columns: Any) -> "FaceTable":
        """Return the same faces with added or replaced columns."""
        return FaceTable(self.frame.assign(**columns), dict(self.roots), list(self.skipped), list(self.notes))


def image_files(faces: pd.DataFrame, roots: Mapping[str, Path]) -> list[Path]:
    """Path of the image of each face.

    Args:
        faces: Rows of a face table.
        roots: Folder of each dataset.
    """
    paths = faces["file" if "file" in faces else "path"]
    return [roots[name] / path for name, path in zip(faces["dataset"], paths, strict=True)]


def concat(tables: Sequence[FaceTable]) -> FaceTable:
    """Join tables into one, in the given order.

    Raises:
        AgeGenderError: There is no table, or two datasets have the same name but different folders.
    """
    if not tables:
        raise AgeGenderError("data.sources is empty: at least one dataset is required")
    roots: dict[str, Path] = {}
    for table in tables:
        for name, root in table.roots.items():
            first = roots.setdefault(name, root)
            if first != root:
                raise AgeGenderError(f"two sources have the name {name!r} ({first} and {root}): their names must differ")
    return FaceTable(
        pd.concat([table.frame for table in tables], ignore_index=True),
        roots,
        [one for table in tables for one in table.skipped],
        [note for table in tables for note in table.notes],
    )
