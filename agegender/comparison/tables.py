"""Tables of text, and sections that hold them, as plain text, Markdown, HTML and CSV."""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agegender import escaping

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:90em;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.3em .7em;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}"
)


@dataclass
class TextTable:
    """Rows of cells under titles, all of them plain text, which each form escapes."""

    titles: list[str]
    rows: list[list[str]]


@dataclass
class Section:
    """A heading, then lines and tables in order, then pictures by file name."""

    heading: str
    content: list[str | TextTable] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)


def as_text(sections: Sequence[Section]) -> str:
    """Plain text with aligned columns, for a terminal."""
    lines = []
    for section in sections:
        heading = escaping.one_line(section.heading)
        lines += ["", heading, "-" * len(heading)]
        for block in section.content:
            lines += _aligned(block) if isinstance(block, TextTable) else [escaping.one_line(block)]
    return "\n".join(lines[1:])


def _aligned(table: TextTable) -> list[str]:
    grid = [list(map(escaping.one_line, row)) for row in (table.titles, *table.rows)]
    widths = [max(len(row[column]) for row in grid) for column in range(len(table.titles))]
    lines = ["  ".join(_padded(cell, widths[i], i) for i, cell in enumerate(row)).rstrip() for row in grid]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:], ""]


def _padded(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)


def as_markdown(sections: Sequence[Section]) -> str:
    """GitHub's Markdown; a cell cannot break out of its column."""
    lines = []
    for section in sections:
        lines += [f"## {escaping.markdown(section.heading)}", ""]
        for block in section.content:
            if isinstance(block, TextTable):
                aligned = "|".join(["---", *["---:"] * (len(block.titles) - 1)])
                lines += [_markdown_row(block.titles), f"|{aligned}|", *map(_markdown_row, block.rows), ""]
            else:
                lines += [escaping.markdown(block), ""]
        lines += [f"![{name}]({name})\n" for name in section.pictures]
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escaping.markdown, cells)) + " |"


def as_html(sections: Sequence[Section], title: str, folder: Path) -> str:
    """One self-contained page, with the pictures of the folder embedded."""
    parts = [f"<!doctype html><meta charset=utf-8><title>{escaping.html(title)}</title><style>{STYLE}</style>"]
    parts.append(f"<h1>{escaping.html(title)}</h1>")
    for section in sections:
        parts.append(f"<h2>{escaping.html(section.heading)}</h2>")
        for block in section.content:
            if isinstance(block, TextTable):
                rows = "".join(f"<tr>{_cells('td', row)}</tr>" for row in block.rows)
                parts.append(f"<table><tr>{_cells('th', block.titles)}</tr>{rows}</table>")
            else:
                parts.append(f"<p>{escaping.html(block)}</p>")
        for name in section.pictures:
            data = base64.b64encode((folder / name).read_bytes()).decode()
            parts.append(f'<img alt="{escaping.html(name)}" src="data:image/png;base64,{data}">')
    return "\n".join(parts) + "\n"


def _cells(tag: str, cells: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escaping.html(cell)}</{tag}>" for cell in cells)


def as_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Numbers not rounded, under the union of the records' keys; None is an empty cell. No cell is a formula."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(key for record in records for key in record)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: escaping.csv_cell(value) for key, value in record.items()} for record in records)
    return file.getvalue()
