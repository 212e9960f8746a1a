"""The state of a file: two changes in a row give two states."""

import os
from pathlib import Path

import pytest

from agegender.data.file_state import FileState, wait_for_clock


def test_a_change_after_the_wait_gives_another_state(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    times = os.stat(file)
    for _ in range(3):
        state = FileState.of(file)
        wait_for_clock(state.ctime_ns)
        file.write_bytes(b"2")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        changed = FileState.of(file)
        assert changed != state and changed[:2] == state[:2]
    assert FileState.of(str(file)) == changed
    with pytest.raises(FileNotFoundError):
        FileState.of(tmp_path / "b")
