"""Files that are complete or absent: written beside their place under another name, and renamed at the end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agegender.errors import AgeGenderError


class WriteError(AgeGenderError):
    """A file cannot be written, for example because the disk is full. The message names it."""

    status = 1


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Yields a path in the same folder to write to. At the end it replaces the file; after an error nothing of it stays.

    Args:
        file: Its folder must exist. The path that is yielded has the same suffix.

    Raises:
        WriteError: The file cannot be written. A file of that name from before is left as it was.
    """
    with partial(file) as unfinished:
        yield unfinished
        os.replace(unfinished, file)


@contextmanager
def partial(file: Path) -> Iterator[Path]:
    """Yields a path in the same folder to write to, which the caller renames. What is left there at the end is removed.

    Raises:
        WriteError: An ``OSError`` occurred meanwhile.
    """
    unfinished = file.with_name(f".partial.{file.name}")
    try:
        yield unfinished
    except OSError as error:
        raise WriteError(f"{file}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
