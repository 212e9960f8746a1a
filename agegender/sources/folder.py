"""Any folder of face images, with labels in the file names, in text files, or both."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder
from agegender.sources.boxed_faces import BoxedFaces
from agegender.sources.faces import FaceTable, Skipped
from agegender.sources.labels import LABELS, checked_values, parse_labels
from agegender.sources.listing import IMAGE_SUFFIXES, list_files, path_in_root
from agegender.sources.tables import RawLabels, Table

_LISTED = 5


@dataclass
class _Labels:
    """Labels from the file names or from one table; `faces` has the index of the face of each row of `labels`."""

    faces: np.ndarray
    labels: pd.DataFrame
    where: Callable[[int, str], str]


class FolderFaces:
    """Reads the images of a folder and its subfolders.

    The labels of a face may come from its file name and from one or more tables. Two different values for one label are an
    error. Images without a known age or gender are skipped. A table with boxes has a row for each face of a picture; faces of a
    picture share a split if they have no group.

    Args:
        root: Folder of the images.
        name: Name of the dataset in tables and reports.
        license: One line: what the data may be used for and who assigned the labels.
        pattern: Regular expression that matches a whole file name, or the path relative to the root if it contains a `/`.
            Its named groups are labels: age, age_low, age_high, gender, race, group, split.
        tables: Label files, by any name.
        values: Meanings of the texts, by label: `gender: {m: male, f: female, x: unknown}`, `age: {child: 0-12}`,
            `split: {valid: val}`. Upper and lower case are equal.
        missing: What to do if images of a table are not in the folder: `error`, or `skip` their rows and report them.
        round_ages: Round ages to the nearest year. Heads round labels down, so a mean guess of 29.9 would become 29.

    Raises:
        AgeGenderError: There is neither a pattern nor a table, the pattern is invalid, or `values` has an unknown label or
            meaning.
    """

    def __init__(
        self,
        root: InputFolder,
        name: str = "folder",
        license: str = "Licence unknown: ask the owners of the images and labels.",
        pattern: str | None = None,
        tables: Mapping[str, Table] | None = None,
        values: Mapping[str, Mapping[str, str]] | None = None,
        missing: Literal["error", "skip"] = "error",
        round_ages: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.name = name
        self.license = license
        self.pattern = None if pattern is None else _compiled(pattern)
        self.tables = list((tables or {}).values())
        self.values = checked_values(values or {})
        self.missing = missing
        self.round_ages = round_ages
        if pattern is None and not self.tables:
            raise AgeGenderError(f"{name}: a pattern or a table is required for the labels")

    def read(self) -> FaceTable:
        """List the files and read their labels, without decoding images.

        Raises:
            AgeGenderError: The root cannot be listed, a table cannot be read, images of a table are outside the root or
                missing (with `missing=error`), a label cannot be parsed, two labels of a face differ, or no face has a
                label.
        """
        files, skipped = list_files(self.root, self.name)
        faces = BoxedFaces(files)
        notes: list[str] = []
        found = [] if self.pattern is None else [self._from_names(files)]
        for table in self.tables:
            rows = table.read(self.root)
            notes += [f"{rows.file}: columns not read: {', '.join(rows.unread)}"] if rows.unread else []
            found.append(self._from_table(rows, table.match, faces, skipped, notes))
        labels = _joined(found, faces.names())
        if not {"age_low", "gender"} & set(labels.columns):
            raise AgeGenderError("; ".join([f"{self.name}: there are no labels for age or gender", *notes]))
        in_table = np.zeros(len(faces), dtype=bool)
        for source in found[-len(self.tables) :] if self.tables else []:
            in_table[source.faces] = True
        matched = np.isin(np.arange(len(faces)), found[0].faces) if self.pattern else np.ones(len(faces), dtype=bool)
        labelled = labels[[label for label in ("age_low", "gender") if label in labels]].notna().any(axis=1).to_numpy()
        for row in np.flatnonzero(~labelled).tolist():
            if row in faces.boxed:
                continue  # its faces are labelled, each in its box
            if (reason := self._reason(faces.files[row], matched[row], in_table[row])) is not None:
                skipped.append(Skipped(f"{self.name}/{faces.name(row)}", reason))
        if self.tables and (alone := int((labelled & ~in_table).sum())):
            notes.append(f"{alone} images of {self.name} have no row in {self._files()}: their labels are from the file names")
        return self._table(faces, np.flatnonzero(labelled), labels[labelled], skipped, notes)

    def _table(
        self, faces: BoxedFaces, rows: np.ndarray, labels: pd.DataFrame, skipped: list[Skipped], notes: list[str]
    ) -> FaceTable:
        paths = [faces.files[row] for row in rows]
        if not paths:
            raise AgeGenderError(f"data.root={self.root} has no labelled face ({len(skipped)} files or rows skipped)")
        boxes = {"box": [faces.boxes[row] for row in rows]} if faces.boxed else {}
        columns = {"path": paths, **boxes, **{label: labels[label] for label in labels if label in (*LABELS, "age_high")}}
        if "group" in columns:  # prefixed with the dataset: group "1" of another dataset is another person
            alone = [f"{self.name}/{path}" for path in paths]
            groups = zip(columns["group"], alone, strict=True)
            columns["group"] = [one if pd.isna(group) else f"{self.name}:{group}" for group, one in groups]
        table = FaceTable.of(self.name, self.root, columns, skipped)
        if self.round_ages:
            ages = ["age_low", "age_high"]
            table.frame[ages] = table.frame[ages].round()
        for extra in (label for label in labels if label not in columns):
            table.frame[extra] = pd.array(labels[extra], dtype="string")
        table.notes += notes
        return table

    def _from_names(self, files: list[str]) -> _Labels:
        assert self.pattern is not None
        whole = "/" in self.pattern.pattern
        matches = [self.pattern.fullmatch(file if whole else PurePosixPath(file).name) for file in files]
        rows = [row for row, match in enumerate(matches) if match]
        texts = pd.DataFrame([match.groupdict("") for match in matches if match], columns=list(self.pattern.groupindex))
        where = lambda row, label: f"{files[rows[row]]}, {label} in the file name"  # noqa: E731
        return _Labels(np.array(rows, dtype=np.int64), parse_labels(texts, self.values, where), where)

    def _from_table(self, rows: RawLabels, match: str, faces: BoxedFaces, skipped: list[Skipped], notes: list[str]) -> _Labels:
        found = self._find(rows, match, faces.images)
        absent = np.flatnonzero(found < 0)
        if len(absent):
            first = ", ".join(f"{rows.images[row]} (row {rows.lines[row]})" for row in absent[:_LISTED])
            more = ", ..." if len(absent) > _LISTED else ""
            what = f"{len(absent)} of {len(found)} rows of {rows.file} have no image in data.root={self.root}: {first}{more}"
            if self.missing == "error":
                raise AgeGenderError(f"{what}; set data.missing=skip to skip them")
            notes.append(f"{what} (data.missing=skip)")
            reasons = [(rows.images[row], f"image not found: {rows.file} row {rows.lines[row]}") for row in absent]
            skipped += [Skipped(f"{self.name}/{image}", reason) for image, reason in reasons]
        boxes = rows.boxes or []
        if boxes and len(self.tables) + (self.pattern is not None) > 1:
            raise AgeGenderError(f"{rows.file} has boxes of faces, so it must be the only file with labels, without a pattern")
        for row in np.flatnonzero(found >= 0).tolist() if boxes else []:
            try:
                found[row] = faces.in_box(int(found[row]), boxes[row])
            except ValueError as error:
                skipped.append(Skipped(f"{self.name}/{rows.images[row]}", f"{error}, {rows.file} row {rows.lines[row]}"))
                found[row] = -1
        extras = [name for name in rows.texts if name not in LABELS]
        labels = parse_labels(rows.texts.drop(columns=extras), self.values, rows.where).join(rows.texts[extras])
        present = np.flatnonzero(found >= 0)
        return _Labels(found[present], labels.iloc[present], lambda row, label: rows.where(int(present[row]), label))

    def _find(self, rows: RawLabels, match: str, files: list[str]) -> np.ndarray:
        """Index of the file of each row, -1 if there is none."""
        names = [PurePosixPath(file).name for file in files] if match == "name" else files
        index = {name: row for row, name in enumerate(names)}
        paths = [path_in_root(image, self.root) for image in rows.images]
        outside = [row for row, path in enumerate(paths) if path is None]
        if outside:
            first = ", ".join(f"row {rows.lines[row]} {rows.images[row] or '(empty)'}" for row in outside[:_LISTED])
            raise AgeGenderError(f"{len(outside)} rows of {rows.file} have a path outside data.root={self.root}: {first}")
        if len(index) < len(names):
            twice = {name for name, count in zip(*np.unique(names, return_counts=True), strict=True) if count > 1}
            for row, path in enumerate(paths):
                if path in twice:
                    both = " and ".join(file for file, name in zip(files, names, strict=True) if name == path)
                    raise AgeGenderError(
                        f"{rows.where(row)}: {path} matches several files ({both}); use a folder with only one"
                    )
        return np.array([index.get(path or "", -1) for path in paths], dtype=np.int64)

    def _reason(self, file: str, matched: bool, in_table: bool) -> str | None:
        """Why a file without labels is skipped; None for the label files themselves."""
        if file in (table.file for table in self.tables) or file in (f for table in self.tables for f in table.beside.values()):
            return None
        if not in_table and PurePosixPath(file).suffix.lower() not in IMAGE_SUFFIXES:
            return "not an image file"
        reasons = [] if matched else ["the file name does not match the pattern"]
        reasons += [f"no row in {self._files()}"] if self.tables and not in_table else []
        return " and ".join(reasons) or "age and gender are unknown"

    def _files(self) -> str:
        return ", ".join(table.file for table in self.tables)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise AgeGenderError(f"pattern={pattern} is not a valid regular expression: {error}") from error
    unknown = sorted(set(compiled.groupindex) - set(LABELS))
    if unknown or not compiled.groupindex:
        which = f"an unknown group {unknown[0]}" if unknown else "no named group"
        raise AgeGenderError(f"pattern={pattern} has {which}; allowed are groups like (?P<age>[0-9]+) for {', '.join(LABELS)}")
    if {"age", "age_low", "age_high"} & set(compiled.groupindex) not in (set(), {"age"}, {"age_low", "age_high"}):
        raise AgeGenderError(f"pattern={pattern} must have either age, or age_low and age_high")
    return compiled


def _joined(found: list[_Labels], files: list[str]) -> pd.DataFrame:
    """One row per file, with the labels from the file name and all tables."""
    joined = {}
    for label in dict.fromkeys(label for source in found for label in source.labels):
        sources = [source for source in found if label in source.labels]
        every = pd.DataFrame(
            {
                "file": np.concatenate([source.faces for source in sources]),
                "value": np.concatenate([source.labels[label].to_numpy(dtype=object) for source in sources]),
            }
        )
        known = every[every["value"].notna()].drop_duplicates()
        twice = known[known.duplicated("file", keep=False)].sort_values("file", kind="stable")
        if len(twice):
            places = [source.where(row, label) for source in sources for row in range(len(source.faces))]
            first, second = (f"{places[row]}: {twice['value'][row]}" for row in twice.index[:2])
            more = f" ({twice['file'].nunique()} such images)" if twice["file"].nunique() > 1 else ""
            raise AgeGenderError(f"{files[twice['file'].iloc[0]]} has two different labels: {first}; {second}{more}")
        joined[label] = known.set_index("file")["value"].reindex(range(len(files)))
    return pd.DataFrame(joined, index=range(len(files)), dtype=object)
