"""A table of a page, which a reader sorts by any column."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell.

    Args:
        text: As shown.
        value: To sort by, for a number; None for text, and for a number that is missing.
    """

    text: str
    value: float | None = None


@dataclass(frozen=True)
class TableRow:
    """A row. ``note`` says why it is shown in grey, such as ``too few faces to rank``; empty for an ordinary row."""

    cells: Sequence[Cell]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        name: Of its element in the page.
        title: Shown above it.
        columns: Headings; the first column names the row.
        rows: As many cells as columns each.
        note: Shown below it.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[TableRow]
    note: str = ""

    @property
    def values(self) -> list[list[str | float | None]]:
        """The cells of each row: numbers where a column has numbers, else texts."""
        numeric = [any(row.cells[column].value is not None for row in self.rows) for column in range(len(self.columns))]
        return [
            [cell.value if number else cell.text for cell, number in zip(row.cells, numeric, strict=True)] for row in self.rows
        ]
