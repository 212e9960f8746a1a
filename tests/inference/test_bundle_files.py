import json
from pathlib import Path

import pytest

from agegender.errors import AgeGenderError
from agegender.inference.bundle_files import write_files


def test_writes_bytes_text_and_json(tmp_path: Path) -> None:
    write_files(tmp_path / "new" / "b", {"a.bin": b"\0\1", "b.txt": "Müller", "c.json": {"k": [1, "ü"]}})
    folder = tmp_path / "new" / "b"
    assert (folder / "a.bin").read_bytes() == b"\0\1"
    assert (folder / "b.txt").read_text("utf-8") == "Müller"
    assert json.loads((folder / "c.json").read_text("utf-8")) == {"k": [1, "ü"]}
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.txt", "c.json", "checksums.txt"]


def test_refuses_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(AgeGenderError, match="exists already"):
        write_files(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_refuses_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("", ".", "/"):
        with pytest.raises(AgeGenderError, match="expected the name of a new folder"):
            write_files(Path(folder), {})


def test_leaves_nothing_behind_if_it_fails(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match="cannot be written"):
        write_files(tmp_path / "b", {"missing/folder.txt": "x"})
    assert not list(tmp_path.iterdir())
