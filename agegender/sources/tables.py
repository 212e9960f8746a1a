"""Reads a text file with one image per line: a CSV file, a list of file names, or parallel lists."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Literal

import pandas as pd

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFile
from agegender.sources.csv_rows import LINES, csv_rows
from agegender.sources.labels import LABELS

BOX = ("x0", "y0", "x1", "y1")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "bar": "|"}


@dataclass(frozen=True)
class RawLabels:
    """The rows of a label file, with the labels as unparsed text.

    Attributes:
        file: File name as given to `Table`.
        images: Path or name of the image of each row.
        lines: Line number of each row, starting with 1; of a row with several lines, the first.
        texts: One column per label, one row per image. Includes the constant `labels` of `Table`.
        headings: Column name in the file for each label.
        unread: Columns of the file that are not used.
        boxes: Edges of the box of each face as text, `x0 y0 x1 y1`; None if the file has no such columns.
    """

    file: str
    images: list[str]
    lines: list[int]
    texts: pd.DataFrame
    headings: Mapping[str, str]
    unread: list[str]
    boxes: list[str] | None = None

    def where(self, row: int, label: str = "") -> str:
        """Place of a label for error messages: file, line and column."""
        heading = self.headings.get("age" if label.startswith("age") and label not in self.headings else label, label)
        return f"{self.file} row {self.lines[row]}" + (f", column {heading}" if heading else "")


class Table:
    """A text file with images and their labels.

    Args:
        file: Path relative to the folder of the dataset, or else relative to the current directory. The file must be
            UTF-8, with or without byte order mark.
        columns: Column names in the file for `path` (the image), the labels, and `x0`, `y0`, `x1`, `y1` (the edges of the box
            of a face in pixels). Those not listed have a column of their own name, if there is one; null ignores one. A
            column name that differs from it must exist.
        header: Column names, for a file without a header line.
        delimiter: Separator between two cells.
        image: Path of the image as a template with column names, such as `train/{file_name}_face.jpg`. Null: the column
            `path`.
        match: `path`: the image has this path in the folder of the dataset. `name`: the image is the only file with this
            name, in any subfolder.
        labels: Labels of all rows, such as `gender: male`. Names that are not labels become extra columns of the face
            table.
        beside: Files with one label per line, by label. Line 7 belongs to line 7 of `file`.

    Raises:
        AgeGenderError: `columns` or `beside` has a name that is neither `path` nor a label nor an edge of the box.
    """

    def __init__(
        self,
        file: InputFile,
        columns: Mapping[str, str | None] | None = None,
        header: Sequence[str] | None = None,
        delimiter: Literal["comma", "semicolon", "tab", "space", "bar"] = "comma",
        image: str | None = None,
        match: Literal["path", "name"] = "path",
        labels: Mapping[str, str] | None = None,
        beside: Mapping[str, InputFile] | None = None,
    ) -> None:
        self.file = str(file)
        self.columns = dict(columns or {})
        self.header = None if header is None else list(header)
        self.delimiter = DELIMITERS[delimiter]
        self.image = image
        self.match = match
        self.labels = {name: str(value) for name, value in (labels or {}).items()}
        self.beside = {label: str(path) for label, path in (beside or {}).items()}
        unknown = sorted({*self.columns, *self.beside} - {"path", *LABELS, *BOX})
        if unknown:
            raise AgeGenderError(
                f"columns.{unknown[0]} of {file}: unknown label; allowed are path, {', '.join((*LABELS, *BOX))}"
            )

    def read(self, root: Path) -> RawLabels:
        """Read the file without parsing the labels.

        Args:
            root: Folder of the dataset.

        Raises:
            AgeGenderError: The file cannot be read, a row has too few or too many cells, or a column is missing.
        """
        cells = _rows(root, self.file, self.delimiter)
        header = self.header or next(cells, (0, []))[1]
        if len(set(header)) < len(header) or not header:
            reason = f"two columns have the same name: {', '.join(header)}" if header else "the file is empty"
            raise AgeGenderError(f"{self.file}: {reason}")
        wanted = self._wanted(header)
        lines, rows = [], []
        for line, row in cells:
            while len(row) > len(header) and not row[-1]:
                row.pop()
            if len(row) != len(header):
                raise AgeGenderError(
                    f"{self.file} row {line} has {len(row)} cells; expected {len(header)}: {', '.join(header)}"
                )
            lines.append(line)
            rows.append(row)
        table = pd.DataFrame(rows, columns=header, dtype=object)
        if self.image is None:
            images = table[wanted.pop("path")].tolist()
        else:
            wanted.pop("path", None)
            images = [self.image.format_map(dict(zip(header, row, strict=True))) for row in rows]
        edges = [wanted.pop(edge) for edge in BOX if edge in wanted]
        boxes = table[edges].agg(" ".join, axis=1).tolist() if edges else None
        texts = table[list(wanted.values())].set_axis(list(wanted), axis=1)
        for label, file in self.beside.items():
            values = dict(_rows(root, file, LINES))
            if list(values) != lines:
                raise AgeGenderError(
                    f"{file} ({len(values)} lines) and {self.file} ({len(lines)}) must have values on the same lines"
                )
            texts[label] = [value for (value,) in values.values()]
        for label, value in self.labels.items():
            texts[label] = value
        used = {*wanted.values(), *edges, *(name for _, name, _, _ in Formatter().parse(self.image or "") if name)}
        used |= {self._heading("path") or "path"}
        unread = [name for name in header if name not in used and name not in self.columns]
        return RawLabels(self.file, images, lines, texts, wanted, unread, boxes)

    def _heading(self, label: str) -> str | None:
        return self.columns.get(label, label)

    def _wanted(self, header: Sequence[str]) -> dict[str, str]:
        """Column name in the file for `path` and for each label that the file has."""
        wanted = {label: name for label in ("path", *LABELS, *BOX) if (name := self._heading(label)) in header and name}
        named = {name: f"columns.{label}" for label, name in self.columns.items() if name not in (None, label)}
        if self.image is None:
            named[self._heading("path") or "path"] = "columns.path"
        for _, field, _, _ in Formatter().parse(self.image or ""):
            named |= {field: "image"} if field is not None else {}
        for name, key in named.items():
            if name not in header:
                other = [word for word, mark in DELIMITERS.items() if len(header) == 1 and mark in header[0]]
                hint = f"; is the delimiter {other[0]}?" if other else ""
                raise AgeGenderError(f"{self.file} has no column {name!r} ({key}); it has {', '.join(header)}{hint}")
        if "age" in wanted and ("age_low" in wanted or "age_high" in wanted):
            raise AgeGenderError(
                f"{self.file} has age and also age_low or age_high: set columns.age=null, or both columns.age_low=null and "
                "columns.age_high=null"
            )
        if 0 < len(edges := [edge for edge in BOX if edge in wanted]) < len(BOX):
            raise AgeGenderError(f"{self.file} has only {', '.join(edges)} of the edges of a box, {', '.join(BOX)}")
        if ("age_low" in wanted) != ("age_high" in wanted):
            raise AgeGenderError(f"{self.file} has only one of age_low and age_high")
        return wanted


def _rows(root: Path, file: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    in_root, elsewhere = root / Path(file).expanduser(), Path(file).expanduser()
    found = elsewhere if elsewhere.exists() and not in_root.exists() else in_root
    return csv_rows(found, delimiter, file if found.exists() else str(found))
