"""Reads a CSV file with the estimates of any model: a path, an age, and a gender or its probability a row."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from agegender.errors import AgeGenderError
from agegender.sources.csv_rows import csv_rows
from agegender.sources.faces import FEMALE, MALE

GENDERS = {"male": MALE, "m": MALE, "man": MALE, "female": FEMALE, "f": FEMALE, "woman": FEMALE}
LISTED = 5


def read_prediction_file(file: Path) -> pd.DataFrame:
    """Reads the estimates of a model.

    The columns are ``path``, and ``age`` in years, or one of ``gender`` (``male``, ``m``, ``man``, ``female``, ``f`` or
    ``woman``) and ``probability_female`` in 0..1, or an age and one of these two. Other columns are ignored. Numbers for a
    gender are refused, because tools disagree on what 0 and 1 mean.

    Args:
        file: UTF-8 text with a header line.

    Returns:
        One row a line: ``path`` and ``line``, its number in the file, and as far as the file has them ``age_pred`` in years
        and ``probability_female``, which is 0 or 1 for a file with genders. An empty cell is NaN.

    Raises:
        AgeGenderError: The file cannot be read or has no row, a column is missing, there twice or in conflict with another, or
            a value is not allowed. The message names the line.
    """
    rows = csv_rows(file, name=f"predictions={file}")
    header = next(rows, (0, []))[1]
    readers = _readers(file, header)
    lines, values, faults = [], [], []
    for line, cells in rows:
        if len(cells) != len(header):
            raise AgeGenderError(f"predictions={file} row {line} has {len(cells)} cells; expected {len(header)}")
        found: dict[str, Any] = {"path": cells[header.index("path")]}
        if not found["path"]:
            faults.append(f"row {line}, column path: it is empty")
        for column, (name, read) in readers.items():
            text = cells[header.index(column)]
            try:
                found[name] = read(text) if text else math.nan
            except ValueError as error:
                faults.append(f"row {line}, column {column}: {error}")
        lines.append(line)
        values.append(found)
    if faults:
        more = [f"and {len(faults) - LISTED} more"] if len(faults) > LISTED else []
        raise AgeGenderError(f"predictions={file}: values that cannot be read:", *faults[:LISTED], *more)
    if not values:
        raise AgeGenderError(f"predictions={file} has no row")
    return pd.DataFrame(values).assign(line=lines)


def _readers(file: Path, header: list[str]) -> dict[str, tuple[str, Callable[[str], float]]]:
    """The columns to read, by heading: the name of the result and the function that reads a cell."""
    known = {
        "age": ("age_pred", _years),
        "gender": ("probability_female", _gender),
        "probability_female": ("probability_female", _probability),
    }
    has = f"it has {', '.join(header)}" if header else "it is empty"
    if "path" not in header or not any(name in header for name in known):
        missing = "path" if "path" not in header else "age, gender or probability_female"
        raise AgeGenderError(f"predictions={file} has no column {missing}; {has}")
    if twice := [name for name in ("path", *known) if header.count(name) > 1]:
        raise AgeGenderError(f"predictions={file} has two columns {twice[0]}")
    if "gender" in header and "probability_female" in header:
        raise AgeGenderError(f"predictions={file} has both gender and probability_female; keep one of them")
    return {name: reader for name, reader in known.items() if name in header}


def _years(text: str) -> float:
    years = _number(text)
    if not 0 <= years <= 150:
        raise ValueError(f"{text!r} is not an age in years, 0 to 150")
    return years


def _probability(text: str) -> float:
    probability = _number(text)
    if not 0 <= probability <= 1:
        raise ValueError(f"{text!r} is not a probability, 0 to 1")
    return probability


def _gender(text: str) -> float:
    if text.casefold() not in GENDERS:
        raise ValueError(f"{text!r} is not one of {', '.join(GENDERS)}")
    return float(GENDERS[text.casefold()])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
