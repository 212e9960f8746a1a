"""Reads the objects of a large JSON array one after the other."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agegender.errors import AgeGenderError
from agegender.regular_files import open_text

CHUNK = 1 << 18  # characters that are read at once
LONGEST = 1 << 20  # characters of a row; rows of label files have a few hundred

_FIRST, _NEXT = re.compile(r"\s*\[\s*(?={)"), re.compile(r"\s*,\s*(?={)")
_EMPTY, _END = re.compile(r"\s*\[\s*\]\s*\Z"), re.compile(r"\s*\]\s*\Z")


def json_rows(path: Path, name: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Reads the objects of a JSON array. The memory does not depend on the size of the file.

    `NaN` and `Infinity` are read as numbers, because Python and pandas write them.

    Args:
        path: A file of UTF-8 text.
        name: Name of the file in messages; by default its path.

    Yields:
        The number of each object, from 1, and the object.

    Raises:
        AgeGenderError: The file cannot be read, is not UTF-8 text, or is not a complete array of objects. The message has the
            name of the file and the number of the row.
    """
    name = name or str(path)
    decoder, number, text, start = json.JSONDecoder(), 0, "", 0
    try:
        with open_text(path) as file:
            while True:
                reason = "an object, a comma or the end of the array is missing"
                if found := (_NEXT if number else _FIRST).match(text, start):
                    try:
                        row, start = decoder.raw_decode(text, found.end())
                    except (json.JSONDecodeError, RecursionError) as error:  # the row may continue in the next chunk
                        reason = getattr(error, "msg", "too many nested objects")
                    else:
                        number += 1
                        yield number, row
                        continue
                chunk = file.read(CHUNK) if len(text) - start < LONGEST else ""
                if not chunk:
                    if (_END if number else _EMPTY).match(text, start):
                        return
                    raise AgeGenderError(f"{name} is not a complete JSON array of objects: row {number + 1}: {reason}")
                text, start = text[start:] + chunk, 0
    except UnicodeDecodeError as error:
        raise AgeGenderError(f"{name} row {number + 1} is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise AgeGenderError(f"{name} cannot be read: {error.strerror}") from error
