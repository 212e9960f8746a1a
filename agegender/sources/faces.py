"""The one schema of labelled faces that every source produces and every later stage takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError

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
SPLITS = ("train", "val", "test")
MALE, FEMALE = 0, 1


@dataclass(frozen=True)
class Skipped:
    """A file or face that is not used, and why.

    Attributes:
        path: `dataset/path`, with `path` relative to the data set's root.
        reason: one short clause.
    """

    path: str
    reason: str


class Source(Protocol):
    """A folder of faces that can be read into a table.

    Attributes:
        name: of the data set, unique within a run.
        root: its folder; paths in the table are relative to it.
        license: one line on what the data may be used for and what its labels mean.
    """

    name: str
    root: Path
    license: str

    def read(self) -> "FaceTable":
        """Lists the files and parses their labels; decodes nothing."""
        ...


@dataclass
class FaceTable:
    """Labelled faces, one a row, with what was left out and what was done on the way.

    Columns of `frame` (further ones may follow):
        path: POSIX path relative to the data set's root, so that a moved folder gives the same split.
        dataset: name of the data set, a key of `roots`.
        age_low, age_high: the labelled age interval in years, inclusive; equal for an exact age, NaN for unknown.
        gender: 0 male, 1 female as it appeared to whoever labelled it; NA for unknown.
        race: as it appeared to whoever labelled it, in the data set's own words; NA for unknown.
        group: faces of one group must never be split apart.
        split: "train", "val", "test", or NA before a split is assigned.

    Attributes:
        frame: the faces; its index is always 0..n-1.
        roots: folder of each data set.
        skipped: everything that was set aside.
        notes: one human line for each thing that was done.

    Raises:
        AgeGenderError: a column is missing or a value breaks the schema; the message names the first such row.
    """

    frame: pd.DataFrame
    roots: dict[str, Path]
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        absent = [name for name in COLUMNS if name not in self.frame.columns]
        if absent:
            raise AgeGenderError(f"table of faces: no column {', '.join(absent)}; needed are {', '.join(COLUMNS)}")
        frame = self.frame.reset_index(drop=True)
        for name, dtype in DTYPES.items():
            try:
                frame[name] = frame[name].astype(dtype)
            except (TypeError, ValueError) as error:
                raise AgeGenderError(f"table of faces: column {name} must be {dtype}: {error}") from error
        self.frame = frame[[*COLUMNS, *(name for name in frame.columns if name not in COLUMNS)]]
        self._validate()

    def _validate(self) -> None:
        frame, low, high = self.frame, self.frame["age_low"], self.frame["age_high"]
        rules = [
            (frame["path"].isna() | frame["path"].str.startswith("/"), "path must be relative to the data set's root"),
            (~frame["dataset"].isin(list(self.roots)), f"dataset must be one of {', '.join(self.roots) or '(none)'}"),
            (low.isna() != high.isna(), "age_low and age_high must both be known or both be unknown"),
            (low.notna() & ~((low >= 0) & (low <= high) & np.isfinite(high)), "ages must satisfy 0 <= low <= high"),
            (~frame["gender"].isin([MALE, FEMALE, pd.NA]), "gender must be 0 (male), 1 (female) or NA"),
            (frame["group"].isna(), "group must be known"),
            (~frame["split"].isin([*SPLITS, pd.NA]), f"split must be {', '.join(SPLITS)} or NA"),
            (frame.duplicated(["dataset", "path"]), "this file stands in the table twice"),
        ]
        for broken, rule in rules:
            rows = np.flatnonzero(broken.to_numpy(dtype=bool))
            if len(rows):
                values = {name: frame[name].iloc[rows[0]] for name in COLUMNS}
                raise AgeGenderError(
                    f"table of faces, row {rows[0]} ({values['dataset']}/{values['path']}): {rule}; it holds age_low="
                    f"{values['age_low']}, age_high={values['age_high']}, gender={values['gender']}, "
                    f"group={values['group']}, split={values['split']}"
                )

    @classmethod
    def of(cls, dataset: str, root: Path, columns: Mapping[str, Any], skipped: Sequence[Skipped] = ()) -> Self:
        """The table of one data set from whichever columns it has.

        Args:
            dataset: its name.
            root: its folder.
            columns: one sequence a column, `path` at least. Absent labels are unknown; without `group` each face is
                alone.
            skipped: what the reader set aside.
        """
        frame = pd.DataFrame({"path": pd.array(list(columns["path"]), dtype="string")})
        frame["dataset"] = dataset
        for name, dtype in DTYPES.items():
            if name in columns:
                frame[name] = pd.array(list(columns[name]), dtype=dtype)
            elif name == "group":
                frame[name] = f"{dataset}/" + frame["path"]
            elif name != "dataset":
                frame[name] = pd.array([np.nan if dtype == "float64" else pd.NA] * len(frame), dtype=dtype)
        return cls(frame, {dataset: Path(root)}, list(skipped))

    def __len__(self) -> int:
        return len(self.frame)

    def names(self) -> list[str]:
        """`dataset/path` of every face, in row order."""
        return (self.frame["dataset"] + "/" + self.frame["path"]).tolist()

    def files(self) -> list[Path]:
        """Absolute path of every face, in row order."""
        roots = {name: root.absolute() for name, root in self.roots.items()}
        return [roots[name] / path for name, path in zip(self.frame["dataset"], self.frame["path"], strict=True)]

    def where(self, mask: Any, reason: str | Sequence[str] | None = None) -> "FaceTable":
        """The faces whose mask is true.

        Args:
            mask: one boolean a row.
            reason: why the others are left out, one for all or one a row (those of kept rows are not read);
                without a reason they are not counted as skipped (a part of a split, for instance).
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


def concat(tables: Sequence[FaceTable]) -> FaceTable:
    """One table of several, rows in the order given.

    Raises:
        AgeGenderError: no table at all, or two data sets share a name but not a folder.
    """
    if not tables:
        raise AgeGenderError("data.sources is empty: name at least one source of faces")
    roots: dict[str, Path] = {}
    for table in tables:
        for name, root in table.roots.items():
            first = roots.setdefault(name, root)
            if first != root:
                raise AgeGenderError(f"two sources are called {name!r} ({first} and {root}): give one another name")
    return FaceTable(
        pd.concat([table.frame for table in tables], ignore_index=True),
        roots,
        [one for table in tables for one in table.skipped],
        [note for table in tables for note in table.notes],
    )
