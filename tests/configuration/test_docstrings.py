"""Descriptions of arguments are read from docstrings, without importing the class."""

import importlib
from pathlib import Path

import pytest

from agegender.configuration.docstrings import argument_texts, summary

CLASSES = '''
raise ImportError("must not be imported")

class Documented:
    """First line.

    More text.

    Args:
        root: Folder of the
            images: all of them.
        size: Pixels.

    Raises:
        ValueError: Not an argument.
    """

    def __init__(self, root, size=3): ...

class Inherits(Documented):
    """Another first line."""

class Without:
    """No arguments are described."""

    def __init__(self, a): ...

class Bare:
    def __init__(self, a): ...
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "package_with_docstrings"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "classes.py").write_text(CLASSES)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return "package_with_docstrings.classes"


def test_continued_lines_are_joined_and_the_next_section_ends_the_arguments(package: str) -> None:
    texts = {"root": "Folder of the images: all of them.", "size": "Pixels."}
    assert argument_texts(f"{package}.Documented") == texts
    assert argument_texts(f"{package}.Inherits") == texts


def test_a_class_without_descriptions_has_none(package: str) -> None:
    for name in ("Without", "Bare", "Absent"):
        assert argument_texts(f"{package}.{name}") == {}


def test_the_summary_is_that_of_the_class_itself(package: str) -> None:
    assert [summary(f"{package}.{name}") for name in ("Documented", "Inherits", "Bare")] == [
        "First line.", "Another first line.", "",
    ]  # fmt: skip
