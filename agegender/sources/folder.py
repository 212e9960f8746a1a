"""Anyone's faces: a folder of images, labelled by their names, by text files, or by both."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder
from agegender.sources.faces import FaceTable, Skipped
from agegender.sources.labels import LABELS, checked_values, parse_labels
from agegender.sources.listing import IMAGE_SUFFIXES, inside, list_files
from agegender.sources.tables import Rows, Table

_LISTED = 5


@dataclass
class _Said:
    """Labels from one place: `files` holds the number of the file that each row of `labels` is about."""

    files: np.ndarray
    labels: pd.DataFrame
    where: Callable[[int, str], str]


class FolderFaces:
    """Reads a folder and its subfolders.

    A face may get some labels from its name and others from one or more tables; two that differ are an error. An image
    of which neither age nor gender is known is set aside.

    Args:
        root: Folder of the images.
        name: Name of the data set in tables and reports.
        license: One line on what the data may be used for and what its labels mean.
        pattern: Regular expression with named groups out of age, age_low, age_high, gender, race, group and split that
            fits a whole file name; if it holds a `/`, the whole path from the root on.
        tables: Files of labels, by any name.
        values: What a text means, label by label: `gender: {m: male, f: female, x: unknown}`, `age: {child: 0-12}`,
            `split: {valid: val}`. Case does not matter.
        missing: What to do about rows of tables whose image the folder lacks: `error`, or `skip` and report.
    """

    def __init__(
        self,
        root: InputFolder,
        name: str = "folder",
        license: str = "Licence unknown: ask whoever made the pictures and the labels.",
        pattern: str | None = None,
        tables: Mapping[str, Table] | None = None,
        values: Mapping[str, Mapping[str, str]] | None = None,
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        self.root = Path(root).expanduser()
        self.name = name
        self.license = license
        self.pattern = None if pattern is None else _compiled(pattern)
        self.tables = list((tables or {}).values())
        self.values = checked_values(values or {})
        self.missing = missing
        if pattern is None and not self.tables:
            raise AgeGenderError(f"{name}: neither a pattern nor a table says what the faces' labels are")

    def read(self) -> FaceTable:
        """Lists the files and gathers their labels; decodes nothing.

        Raises:
            AgeGenderError: The root cannot be listed; a table cannot be read, names images outside the root, names images
                that are not there (unless they may be missing) or says what cannot be understood; labels contradict one
                another; no face is labelled.
        """
        files, skipped = list_files(self.root, self.name)
        notes: list[str] = []
        said = [] if self.pattern is None else [self._from_names(files)]
        for table in self.tables:
            rows = table.read(self.root)
            notes += [f"{rows.file}: columns not read: {', '.join(rows.unread)}"] if rows.unread else []
            said.append(self._from_rows(rows, table.match, files, skipped, notes))
        labels = _joined(said, files)
        if not {"age_low", "gender"} & set(labels.columns):
            raise AgeGenderError("; ".join([f"{self.name}: there is no label for age and none for gender", *notes]))
        named = np.zeros(len(files), dtype=bool)
        for source in said[-len(self.tables) :] if self.tables else []:
            named[source.files] = True
        fits = np.isin(np.arange(len(files)), said[0].files) if self.pattern else np.ones(len(files), dtype=bool)
        labelled = labels[[label for label in ("age_low", "gender") if label in labels]].notna().any(axis=1).to_numpy()
        for row in np.flatnonzero(~labelled):
            if (reason := self._reason(files[row], fits[row], named[row])) is not None:
                skipped.append(Skipped(f"{self.name}/{files[row]}", reason))
        if self.tables and (alone := int((labelled & ~named).sum())):
            notes.append(f"{alone} images of {self.name} are in no row of {self._files()}: labelled by their names alone")
        return self._table([files[row] for row in np.flatnonzero(labelled)], labels[labelled], skipped, notes)

    def _table(self, paths: list[str], labels: pd.DataFrame, skipped: list[Skipped], notes: list[str]) -> FaceTable:
        if not paths:
            raise AgeGenderError(f"data.root={self.root} holds no labelled face ({len(skipped)} files or rows set aside)")
        columns = {"path": paths, **{label: labels[label] for label in labels if label in (*LABELS, "age_high")}}
        if "group" in columns:  # an image of no group is a group; prefixed, since "1" of another data set is another person
            alone = [f"{self.name}/{path}" for path in paths]
            groups = zip(columns["group"], alone, strict=True)
            columns["group"] = [one if pd.isna(group) else f"{self.name}:{group}" for group, one in groups]
        table = FaceTable.of(self.name, self.root, columns, skipped)
        for extra in (label for label in labels if label not in columns):
            table.frame[extra] = pd.array(labels[extra], dtype="string")
        table.notes += notes
        return table

    def _from_names(self, files: list[str]) -> _Said:
        assert self.pattern is not None
        whole = "/" in self.pattern.pattern
        matches = [self.pattern.fullmatch(file if whole else PurePosixPath(file).name) for file in files]
        rows = [row for row, match in enumerate(matches) if match]
        texts = pd.DataFrame([match.groupdict("") for match in matches if match], columns=list(self.pattern.groupindex))
        where = lambda row, label: f"{files[rows[row]]}, {label} in its name"  # noqa: E731
        return _Said(np.array(rows, dtype=np.int64), parse_labels(texts, self.values, where), where)

    def _from_rows(self, rows: Rows, match: str, files: list[str], skipped: list[Skipped], notes: list[str]) -> _Said:
        found = self._find(rows, match, files)
        absent = np.flatnonzero(found < 0)
        if len(absent):
            first = ", ".join(f"{rows.images[row]} (row {rows.lines[row]})" for row in absent[:_LISTED])
            more = ", ..." if len(absent) > _LISTED else ""
            what = f"{len(absent)} of {len(found)} rows of {rows.file} name an image that {self.root} lacks: {first}{more}"
            if self.missing == "error":
                raise AgeGenderError(f"{what}; data.missing=skip goes on without them")
            notes.append(f"{what} (data.missing=skip)")
            reasons = [(rows.images[row], f"no such image: {rows.file} row {rows.lines[row]}") for row in absent]
            skipped += [Skipped(f"{self.name}/{image}", reason) for image, reason in reasons]
        extras = [name for name in rows.texts if name not in LABELS]
        labels = parse_labels(rows.texts.drop(columns=extras), self.values, rows.where).join(rows.texts[extras])
        there = np.flatnonzero(found >= 0)
        return _Said(found[there], labels.iloc[there], lambda row, label: rows.where(int(there[row]), label))

    def _find(self, rows: Rows, match: str, files: list[str]) -> np.ndarray:
        """Number of the file that each row names, -1 where there is none."""
        names = [PurePosixPath(file).name for file in files] if match == "name" else files
        number = {name: row for row, name in enumerate(names)}
        paths = [inside(image, self.root) for image in rows.images]
        outside = [row for row, path in enumerate(paths) if path is None]
        if outside:
            first = ", ".join(f"row {rows.lines[row]} {rows.images[row] or '(no name)'}" for row in outside[:_LISTED])
            raise AgeGenderError(f"{len(outside)} rows of {rows.file} name no file inside data.root={self.root}: {first}")
        if len(number) < len(names):
            twice = {name for name, count in zip(*np.unique(names, return_counts=True), strict=True) if count > 1}
            for row, path in enumerate(paths):
                if path in twice:
                    both = " and ".join(file for file, name in zip(files, names, strict=True) if name == path)
                    raise AgeGenderError(f"{rows.where(row)}: {path} could be {both}: name a folder that holds one of them")
        return np.array([number.get(path or "", -1) for path in paths], dtype=np.int64)

    def _reason(self, file: str, fits: bool, named: bool) -> str | None:
        """Why an image without labels is set aside; None for a file that holds labels itself."""
        if file in (table.file for table in self.tables) or file in (f for table in self.tables for f in table.beside.values()):
            return None
        if not named and PurePosixPath(file).suffix.lower() not in IMAGE_SUFFIXES:
            return "not an image file"
        reasons = [] if fits else ["its name does not fit the pattern"]
        reasons += [f"no row of {self._files()} names it"] if self.tables and not named else []
        return " and ".join(reasons) or "neither age nor gender is known"

    def _files(self) -> str:
        return ", ".join(table.file for table in self.tables)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise AgeGenderError(f"pattern={pattern} is no regular expression: {error}") from error
    unknown = sorted(set(compiled.groupindex) - set(LABELS))
    if unknown or not compiled.groupindex:
        which = f"a group called {unknown[0]}" if unknown else "no named group"
        raise AgeGenderError(f"pattern={pattern} has {which}; groups like (?P<age>[0-9]+) can be {', '.join(LABELS)}")
    if {"age", "age_low", "age_high"} & set(compiled.groupindex) not in (set(), {"age"}, {"age_low", "age_high"}):
        raise AgeGenderError(f"pattern={pattern} must have either age, or age_low and age_high")
    return compiled


def _joined(said: list[_Said], files: list[str]) -> pd.DataFrame:
    """One row a file, with what any place says of it."""
    joined = {}
    for label in dict.fromkeys(label for source in said for label in source.labels):
        sources = [source for source in said if label in source.labels]
        every = pd.DataFrame(
            {
                "file": np.concatenate([source.files for source in sources]),
                "value": np.concatenate([source.labels[label].to_numpy(dtype=object) for source in sources]),
            }
        )
        known = every[every["value"].notna()].drop_duplicates()
        twice = known[known.duplicated("file", keep=False)].sort_values("file", kind="stable")
        if len(twice):
            places = [source.where(row, label) for source in sources for row in range(len(source.files))]
            first, second = (f"{places[row]}: {twice['value'][row]}" for row in twice.index[:2])
            more = f" ({twice['file'].nunique()} such images)" if twice["file"].nunique() > 1 else ""
            raise AgeGenderError(f"{files[twice['file'].iloc[0]]} has two different labels: {first}; {second}{more}")
        joined[label] = known.set_index("file")["value"].reindex(range(len(files)))
    return pd.DataFrame(joined, index=range(len(files)), dtype=object)
