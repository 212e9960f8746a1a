"""Reads the rows of a text file with their numbers: a CSV file, or one value per line."""

import csv
from collections.abc import Iterator
from pathlib import Path

from agegender.errors import AgeGenderError
from agegender.regular_files import open_text

LINES = "\n"
"""As a delimiter: each line is one cell."""


def csv_rows(path: Path, delimiter: str = ",", name: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """Reads the rows that are not empty, the header line too.

    Args:
        path: A file of UTF-8 text, with or without byte order mark.
        delimiter: Separator between two cells, or `LINES`.
        name: Name of the file in messages; by default its path.

    Yields:
        For each row the number of its first line, from 1, and its cells without surrounding spaces.

    Raises:
        AgeGenderError: The file cannot be read, is not UTF-8 text, or has a row that is not well-formed CSV. The message
            has the name of the file and, for a row, its number.
    """
    name = name or str(path)
    first = 1  # line of the row that is read next
    try:
        with open_text(path, newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for cells in ([line] for line in file) if delimiter == LINES else reader:
                cells = [cell.strip() for cell in cells]
                if any(cells):
                    yield first, cells
                first = first + 1 if delimiter == LINES else reader.line_num + 1
    except UnicodeDecodeError as error:
        raise AgeGenderError(
            f"{name} is not UTF-8 text ({error.reason} at byte {error.start}): save the file as UTF-8"
        ) from error
    except csv.Error as error:
        raise AgeGenderError(f"{name} row {first} is not well-formed CSV: {error}; does it have a stray quote?") from error
    except OSError as error:
        raise AgeGenderError(f"{name} cannot be read: {error.strerror}") from error
