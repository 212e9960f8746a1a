"""A file of rows of equal size that are read by their number."""

import mmap
import os
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from agegender.errors import AgeGenderError
from agegender.regular_files import open_bytes

Empty = Callable[[tuple[int, ...], Any], np.ndarray]
"""Allocates an array of a shape and a type, as ``numpy.empty`` does."""


class RowFile:
    """Reads rows of an array in a file. Workers and ranks share the pages of the file in memory.

    The file is not mapped into memory: if a mapped file is shortened, the operating system kills its readers with SIGBUS.

    Args:
        path: The file.
        shape: Shape of the array, ``[N, ...]``.
        dtype: Type of its elements.
        offset: Bytes before the first row.

    Raises:
        AgeGenderError: The file does not have the size of this array.
    """

    def __init__(self, path: Path, shape: Sequence[int], dtype: Any, offset: int = 0) -> None:
        self.path = path
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.offset = offset
        self._file = open_bytes(path)
        self._stride = prod(self.shape[1:]) * self.dtype.itemsize
        found, expected = os.fstat(self._file.fileno()).st_size, offset + len(self) * self._stride
        if found != expected:
            raise AgeGenderError(f"{path} has {found} bytes instead of {expected}: it is damaged, delete it")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Returns the rows ``[B, ...]`` with the given numbers ``[B]``; see ``read``."""
        return self.read(rows)

    def read(self, rows: np.ndarray, empty: Empty = np.empty) -> np.ndarray:
        """Returns the rows ``[B, ...]`` with the given numbers ``[B]``.

        Args:
            rows: The numbers.
            empty: Allocates the result.

        Raises:
            AgeGenderError: The file has been shortened since it was opened, or it cannot be read.
        """
        result = empty((len(rows), *self.shape[1:]), self.dtype)
        places = [self.offset + row * self._stride for row in rows.tolist()]
        descriptor = self._file.fileno()
        # Request all rows before reading any: when the file is not in memory yet, this is several times faster than
        # waiting for one row after another. For rows of less than a page, the requests would take longer than the reading.
        if self._stride >= mmap.PAGESIZE and hasattr(os, "posix_fadvise"):
            for place in places:
                os.posix_fadvise(descriptor, place, self._stride, os.POSIX_FADV_WILLNEED)
        buffer = result.reshape(-1).view(np.uint8).data
        for number, place in enumerate(places):
            row = buffer[number * self._stride : (number + 1) * self._stride]
            self._read(descriptor, row, place)
        return result

    def _read(self, descriptor: int, row: memoryview, place: int) -> None:
        while row:
            try:
                count = os.preadv(descriptor, [row], place)
            except OSError as error:
                raise AgeGenderError(f"{self.path} cannot be read: {error.strerror}") from error
            if not count:
                raise AgeGenderError(f"{self.path} has been shortened by another program while it is used: run again")
            row, place = row[count:], place + count

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the path instead of the rows, for spawned workers."""
        return RowFile, (self.path, self.shape, self.dtype, self.offset)
