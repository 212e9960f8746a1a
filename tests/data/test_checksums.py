"""Checksums of a cache file: every change is found, and an unchanged file is not read."""

import os
import shutil
from pathlib import Path

import pytest

from agegender.data import checksums
from agegender.data.checksums import is_intact, write_checksums


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of two and a half blocks, with its checksums."""
    monkeypatch.setattr(checksums, "BLOCK", 1000)
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(250)) * 10)
    write_checksums(path)
    return path


@pytest.mark.parametrize("place", [0, 999, 1000, 2499])
def test_a_changed_byte_is_found_although_size_and_modification_time_are_the_same(place: int, file: Path) -> None:
    times, data = os.stat(file), bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)  # right after the checksums, within one tick of the clock
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not is_intact(file)


def test_exchanged_blocks_are_found(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[1000:2000].replace(b"\0", b"\1") + data[:1000] + data[2000:])
    assert not is_intact(file)


@pytest.mark.parametrize("size", [0, 1000, 2499, 2501])
def test_another_size_is_found(size: int, file: Path) -> None:
    os.truncate(file, size)
    assert not is_intact(file)


def test_an_unchanged_file_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "_checksums", lambda path: pytest.fail("read"))
    assert is_intact(file)


def test_a_copy_is_read_once(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "copy").mkdir()
    copy = Path(shutil.copy(file, tmp_path / "copy"))
    assert not is_intact(copy)  # it has no checksums
    shutil.copy(file.with_suffix(".json"), tmp_path / "copy")
    assert is_intact(copy)
    monkeypatch.setattr(checksums, "_checksums", lambda path: pytest.fail("read again"))
    assert is_intact(copy)
    assert {one.name for one in (tmp_path / "copy").iterdir()} == {"a.bin", "a.json"}


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"state": 5, "crc32": 5}', '{"state": [], "crc32": []}'])
def test_a_file_without_valid_checksums_is_not_intact(record: str, file: Path) -> None:
    file.with_suffix(".json").write_text(record)
    assert not is_intact(file)
    file.with_suffix(".json").unlink()
    assert not is_intact(file)


def test_a_missing_file_is_not_intact(file: Path) -> None:
    file.unlink()
    assert not is_intact(file)
