"""A split as CSV text, and its checksums."""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence

import pandas as pd

from agegender.sources.faces import FaceTable

COLUMNS = ("dataset", "path", "split", "age_low", "age_high", "gender", "group")
CONTENT = "sha256"


def split_csv(table: FaceTable) -> str:
    """Returns the columns ``COLUMNS`` and ``CONTENT`` of all faces as CSV, with sorted rows and line feeds."""
    columns = [*COLUMNS, CONTENT]
    rows = table.frame[columns].astype(object)
    return _csv([columns, *sorted([_text(value) for value in row] for row in rows.itertuples(index=False, name=None))])


def split_checksum(csv_text: str) -> str:
    """SHA-256 of a split's CSV text without ``CONTENT``, hexadecimal; equal checksums mean equal faces, splits and labels."""
    return _sha256(_csv(row[: len(COLUMNS)] for row in csv.reader(io.StringIO(csv_text, newline=""))))


def content_checksum(csv_text: str) -> str:
    """SHA-256 of a split's CSV text, hexadecimal; equal checksums mean equal images too."""
    return _sha256(csv_text)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: object) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
