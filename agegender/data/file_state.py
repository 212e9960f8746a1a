"""The state of a file: while it is the same, the content of the file is the same."""

import os
import time
from pathlib import Path
from typing import NamedTuple

_CLOCK_TICK_NS = 20_000_000


class FileState(NamedTuple):
    """Size, times of the last changes, and inode. The operating system sets ``ctime_ns``; a program cannot choose it."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, path: str | Path) -> "FileState":
        """Returns the state of a file.

        Raises:
            OSError: There is no such file.
        """
        status = os.stat(path)
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def wait_for_clock(ctime_ns: int) -> None:
    """Waits until a change of a file gets a later time than ``ctime_ns``.

    A file that is changed twice within one clock tick of the file system has the same times after both changes.
    """
    if time.time_ns() - ctime_ns < _CLOCK_TICK_NS:
        time.sleep(_CLOCK_TICK_NS / 1e9)
