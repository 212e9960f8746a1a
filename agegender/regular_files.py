"""Opens files to read, and regular files only: opening a pipe would block until something writes to it."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, TextIO


def open_bytes(path: str | Path) -> BinaryIO:
    """Opens a file to read bytes.

    Raises:
        OSError: There is no such file, it cannot be read, or it is a folder, a pipe, a socket or a device.
    """
    try:
        return open(path, "rb", opener=_open_regular)
    except ValueError as error:  # a null byte, for example
        raise OSError(errno.EINVAL, f"not a valid path ({error})", os.fspath(path)) from error


def open_text(path: str | Path, newline: str | None = None) -> TextIO:
    """Opens a file to read UTF-8 text, with or without byte order mark.

    Args:
        path: The file.
        newline: As in ``open``; ``""`` for the ``csv`` module.

    Raises:
        OSError: There is no such file, it cannot be read, or it is a folder, a pipe, a socket or a device.
    """
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline=newline)


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe opens at once
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # open() itself refuses folders
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor
