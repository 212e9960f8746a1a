"""A table of a page, which a reader sorts by any column."""

from collections.abc import Sequence
from dataclasses import dataclass

GROUPS = 200  # rows of a table of groups; more make a page slow


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

    @classmethod
    def of_groups(cls, name: str, title: str, columns: Sequence[str], rows: Sequence[TableRow], note: str = "") -> "Table":
        """A table of groups, with the number of faces in the second column. Of many groups it has those with most faces."""
        most = sorted(range(len(rows)), key=lambda place: -(rows[place].cells[1].value or 0))[:GROUPS]
        if len(most) < len(rows):
            more = f"The {GROUPS} groups with most faces, of {len(rows):,}; groups.csv and metrics.json have all."
            note = f"{note} {more}".strip()
        return cls(name, title, columns, [rows[place] for place in sorted(most)], note)

    @property
    def values(self) -> list[list[str | float | None]]:
        """The cells of each row: numbers where a column has numbers, else texts."""
        numeric = [any(row.cells[column].value is not None for row in self.rows) for column in range(len(self.columns))]
        return [
            [cell.value if number else cell.text for cell, number in zip(row.cells, numeric, strict=True)] for row in self.rows
        ]
