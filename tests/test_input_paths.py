"""Arguments annotated as input files and folders take a text and a Path alike."""

from pathlib import Path

import pytest

from agegender.data.file_split import FileSplit
from agegender.sources.tables import Table
from agegender.sources.utkface import UTKFace


@pytest.mark.parametrize("kind", [str, Path])
def test_text_and_path_are_the_same(kind: type) -> None:
    assert UTKFace(kind("/faces")).root == Path("/faces")
    assert FileSplit(train=kind("a.csv"), test=kind("b.csv")).files == {"train": Path("a.csv"), "test": Path("b.csv")}
    table = Table(kind("lists/a.txt"), beside={"age": kind("lists/b.txt")})
    assert (table.file, table.beside) == ("lists/a.txt", {"age": "lists/b.txt"})
