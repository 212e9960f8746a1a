"""A text file of labels, one image a line: a CSV, a list of names, or lists that go in step."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Literal

import pandas as pd

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFile
from agegender.sources.labels import LABELS

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "bar": "|"}


@dataclass(frozen=True)
class Rows:
    """What a table says, not yet understood.

    Attributes:
        file: As the table names it.
        images: The image that each row names.
        lines: Line number of each row, counted from 1.
        texts: One column a label, beside labels of other names that `Table` was told to give to every row.
        headings: The file's own name for a label.
        unread: Columns of the file that nobody asked for.
    """

    file: str
    images: list[str]
    lines: list[int]
    texts: pd.DataFrame
    headings: Mapping[str, str]
    unread: list[str]

    def where(self, row: int, label: str = "") -> str:
        """Names a row, and the column that holds a label, for messages."""
        heading = self.headings.get("age" if label.startswith("age") and label not in self.headings else label, label)
        return f"{self.file} row {self.lines[row]}" + (f", column {heading}" if heading else "")


class Table:
    """A text file that names images and labels them.

    Args:
        file: Looked for in the data set's folder, then as it stands. UTF-8, with or without byte order mark.
        columns: The file's own name for `path` (the image) and for each label; a label that is not listed goes by its own
            name, and null leaves one out. A column that is called differently here must exist.
        header: Names of the columns, for a file whose first line is a row already.
        delimiter: Between two cells.
        image: How a row's cells make the image's path, such as `train/{file_name}_face.jpg`; null for the column `path`.
        match: `path`: the image has exactly this path in the data set's folder; `name`: it is the one file of this name
            in whatever subfolder.
        labels: What holds for every row, such as `gender: male`; other names than labels become columns of the table of
            faces.
        beside: Further files by label, one value a line: line 7 belongs to line 7 of this file.
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
        unknown = sorted({*self.columns, *self.beside} - {"path", *LABELS})
        if unknown:
            raise AgeGenderError(f"columns.{unknown[0]} of {file}: allowed are path, {', '.join(LABELS)}")

    def read(self, root: Path) -> Rows:
        """Reads the file; understands nothing yet.

        Args:
            root: The data set's folder.

        Raises:
            AgeGenderError: The file cannot be read, a row has too few or too many cells, a column is missing.
        """
        cells = _cells(_find(root, self.file), self.file, self.delimiter)
        header = self.header or next(cells, (0, []))[1]
        if len(set(header)) < len(header) or not header:
            raise AgeGenderError(f"{self.file}: " + ("two columns share a name: " if header else "empty") + ", ".join(header))
        wanted = self._wanted(header)
        lines, rows = [], []
        for line, row in cells:
            while len(row) > len(header) and not row[-1]:
                row.pop()
            if len(row) != len(header):
                raise AgeGenderError(f"{self.file} row {line} has {len(row)} cells where {', '.join(header)} are expected")
            lines.append(line)
            rows.append(row)
        table = pd.DataFrame(rows, columns=header, dtype=object)
        if self.image is None:
            images = table[wanted.pop("path")].tolist()
        else:
            wanted.pop("path", None)
            images = [self.image.format_map(dict(zip(header, row, strict=True))) for row in rows]
        texts = table[list(wanted.values())].set_axis(list(wanted), axis=1)
        for label, file in self.beside.items():
            values = dict(_cells(_find(root, file), file, "\n"))
            if list(values) != lines:
                raise AgeGenderError(f"{file} ({len(values)} lines) and {self.file} ({len(lines)}) do not go in step")
            texts[label] = [value for (value,) in values.values()]
        for label, value in self.labels.items():
            texts[label] = value
        used = {*wanted.values(), *(name for _, name, _, _ in Formatter().parse(self.image or "") if name)}
        used |= {self._heading("path") or "path"}
        unread = [name for name in header if name not in used and name not in self.columns]
        return Rows(self.file, images, lines, texts, wanted, unread)

    def _heading(self, label: str) -> str | None:
        return self.columns.get(label, label)

    def _wanted(self, header: Sequence[str]) -> dict[str, str]:
        """The file's column for `path` and each label that it has."""
        wanted = {label: name for label in ("path", *LABELS) if (name := self._heading(label)) in header and name}
        named = {name: f"columns.{label}" for label, name in self.columns.items() if name not in (None, label)}
        if self.image is None:
            named[self._heading("path") or "path"] = "columns.path"
        for _, field, _, _ in Formatter().parse(self.image or ""):
            named |= {field: "image"} if field is not None else {}
        for name, key in named.items():
            if name not in header:
                other = [word for word, mark in DELIMITERS.items() if len(header) == 1 and mark in header[0]]
                hint = f"; or is its delimiter {other[0]}?" if other else ""
                raise AgeGenderError(f"{self.file} has no column {name!r} ({key}); it has {', '.join(header)}{hint}")
        if "age" in wanted and ("age_low" in wanted or "age_high" in wanted):
            raise AgeGenderError(f"{self.file} has both age and age_low, age_high: leave one out with columns.age=null or so")
        if ("age_low" in wanted) != ("age_high" in wanted):
            raise AgeGenderError(f"{self.file} has only one of age_low and age_high")
        return wanted


def _find(root: Path, file: str) -> Path:
    inside, outside = root / Path(file).expanduser(), Path(file).expanduser()
    return inside if inside.exists() or not outside.exists() else outside


def _cells(path: Path, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and stripped cells of each row that is not empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            if delimiter == "\n":
                rows: Iterator[tuple[int, list[str]]] = ((number, [line]) for number, line in enumerate(file, 1))
            else:
                reader = csv.reader(file, delimiter=delimiter, strict=True)
                rows = ((reader.line_num, row) for row in reader)
            for number, row in rows:
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield number, cells
    except UnicodeDecodeError as error:
        raise AgeGenderError(f"{name} is not UTF-8 text ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except csv.Error as error:
        raise AgeGenderError(f"{name} is not well-formed: {error}") from error
    except OSError as error:
        raise AgeGenderError(f"{path} cannot be read: {error.strerror}") from error
