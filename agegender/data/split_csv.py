"""A split as CSV text, and its checksum."""

import csv
import hashlib
import io

import pandas as pd

from agegender.sources.faces import FaceTable

COLUMNS = ("dataset", "path", "split", "age_low", "age_high", "gender", "group")


def split_csv(table: FaceTable) -> str:
    """Returns the columns ``COLUMNS`` of all faces as CSV, with sorted rows and line feeds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = table.frame[list(COLUMNS)].astype(object)
    writer.writerows(sorted([_text(value) for value in row] for row in rows.itertuples(index=False, name=None)))
    return text.getvalue()


def checksum(csv_text: str) -> str:
    """SHA-256 of a split's CSV text, hexadecimal; equal checksums mean equal faces, splits and labels."""
    return hashlib.sha256(csv_text.encode()).hexdigest()


def _text(value: object) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
