"""A file is complete or absent, and an error names it."""

from pathlib import Path

import pytest

from agegender.whole_files import WriteError, partial, whole


def test_the_file_appears_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    with whole(file) as unfinished:
        unfinished.write_text("new")
        assert not file.exists() and unfinished.suffix == ".png"
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(ValueError, match="x"), whole(file) as unfinished:
        unfinished.write_text("half")
        raise ValueError("x")
    with pytest.raises(WriteError, match=r"a\.txt: cannot be written: No space left") as caught, partial(file) as unfinished:
        unfinished.write_text("half")
        raise OSError(28, "No space left on device")
    assert caught.value.status == 1
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]
