"""Rows of a file: the same as of the array, in any order, and errors instead of a killed process."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from agegender.data.row_file import RowFile
from agegender.errors import AgeGenderError


@pytest.mark.parametrize("shape", [(7, 3), (7, 40, 50), (7,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rows_are_those_of_the_array(shape: tuple[int, ...], dtype: type, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    (tmp_path / "rows").write_bytes(b"start" + array.tobytes())
    file = RowFile(tmp_path / "rows", shape, dtype, offset=5)
    assert len(file) == 7
    for one in (file, pickle.loads(pickle.dumps(file))):
        for rows in ([6, 0, 0, 3], [], range(7)):
            found = one[np.array(rows, dtype=np.int64)]
            assert found.dtype == dtype and found.flags.writeable and np.array_equal(found, array[list(rows)])


def test_a_file_of_another_size_raises(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(bytes(11))
    with pytest.raises(AgeGenderError, match="rows has 11 bytes instead of 12: it is damaged, delete it"):
        RowFile(tmp_path / "rows", (3, 4), np.uint8)


def test_a_file_that_is_shortened_later_raises(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(bytes(12))
    file = RowFile(tmp_path / "rows", (3, 4), np.uint8)
    os.truncate(tmp_path / "rows", 6)
    assert (file[np.array([0])] == 0).all()
    for row in (1, 2):
        with pytest.raises(AgeGenderError, match=r"rows has been shortened by another program"):
            file[np.array([row])]
