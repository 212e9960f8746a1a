"""Faces that a list excludes from training, such as those with suspicious labels."""

from pathlib import Path

import numpy as np

from agegender.data.named_faces import NamedFaces
from agegender.data.splits import count
from agegender.errors import AgeGenderError
from agegender.sources.csv_rows import csv_rows
from agegender.sources.faces import FaceTable

COLUMN = "path"


def without_excluded(table: FaceTable, file: Path) -> FaceTable:
    """Drops the train and val faces that a file names.

    Test faces stay: without its hard faces, a test split would flatter the model and could not be compared with others.

    Args:
        table: Faces with their splits.
        file: CSV file with a column ``path``; see ``NamedFaces``. Other columns are ignored, so the list may be
            ``suspicious.csv`` or a part of it.

    Returns:
        The other faces. Notes count the faces that are dropped, the test faces that stay and the names of no face.

    Raises:
        AgeGenderError: The file cannot be read or has no such column, or a name belongs to several faces.
    """
    key = f"data.exclude={file}"
    rows = csv_rows(file, name=key)
    header = next(rows, (0, []))[1]
    if COLUMN not in header:
        has = f"it has {', '.join(header)}" if header else "it is empty"
        raise AgeGenderError(f"{key} has no column {COLUMN!r}; {has}")
    named, names = NamedFaces(table), table.names()
    listed, unknown = set(), 0
    for line, cells in rows:
        if len(cells) != len(header):
            raise AgeGenderError(f"{key} row {line} has {len(cells)} cells; expected {len(header)}")
        found = named.rows(name := cells[header.index(COLUMN)])
        if len(found) > 1:
            both = f"{names[found[0]]} and {names[found[1]]}"
            raise AgeGenderError(f"{key} row {line}: {name} belongs to both {both}; add folders to the path")
        listed |= {*found}
        unknown += not found
    is_listed = np.isin(np.arange(len(table)), sorted(listed))
    is_test = (table.frame["split"] == "test").to_numpy(dtype=bool)
    result = table.where(~is_listed | is_test, f"listed in {key}")
    dropped, kept = int((is_listed & ~is_test).sum()), int((is_listed & is_test).sum())
    result.notes.append(
        f"{count(dropped, 'face')} dropped from train and val: listed in {key}; {kept} listed test faces stay"
        + (f"; {unknown} names belong to no face that is used" if unknown else "")
    )
    return result
