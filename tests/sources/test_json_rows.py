"""Objects of a JSON array: any formatting, flat memory, and errors that name the row."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from agegender.errors import AgeGenderError
from agegender.sources import json_rows as module
from agegender.sources.json_rows import json_rows

ROWS = [{"age": i, "box": [i, -1.5, 3e2, 4], "name": 'a"}, {\\ ä' * (i % 3), "none": None} for i in range(40)]


def rows(folder: Path, text: str) -> list[tuple[int, Any]]:
    (folder / "a.json").write_text(text, encoding="utf-8")
    return list(json_rows(folder / "a.json", "a.json"))


@pytest.mark.parametrize("chunk", [1, 7, 100, 1 << 18])
@pytest.mark.parametrize("indent", [None, 4])
def test_rows_are_those_of_the_json_module_wherever_a_chunk_ends(
    chunk: int, indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    text = "\ufeff \n" + json.dumps(ROWS, indent=indent, ensure_ascii=False) + "\n \n"
    assert rows(tmp_path, text) == list(enumerate(ROWS, 1))
    assert rows(tmp_path, " [ \n ] ") == []


def test_nan_is_a_number(tmp_path: Path) -> None:
    (number, row), *_ = rows(tmp_path, '[{"age": NaN, "box": [Infinity]}]')
    assert number == 1 and row["age"] != row["age"] and row["box"] == [float("inf")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1: an object, a comma or the end of the array is missing"),
        ('{"age": 3}', "row 1: an object, a comma or the end"),
        ("[3]", "row 1: an object, a comma or the end"),
        ('[{"age": 3}', "row 2: an object, a comma or the end"),
        ('[{"age": 3}, {"age": 4', "row 2: Expecting ',' delimiter"),
        ('[{"age": 3}, {"ag', "row 2: Unterminated string starting at"),
        ('[{"age": 3},]', "row 2: an object, a comma or the end"),
        ('[{"age": 3} {"age": 4}]', "row 2: an object, a comma or the end"),
        ('[{"age": 3}, {"age": three}, {"age": 4}]', "row 2: Expecting value"),
        ('[{"age": 3}] [{"age": 4}]', "row 2: an object, a comma or the end"),
        ('[{"a":' + "[" * 100_000, "row 1: too many nested objects"),
    ],
)
def test_a_file_that_is_damaged_or_not_complete_is_an_error_with_the_row(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError) as error:
        rows(tmp_path, text)
    assert str(error.value).startswith(f"a.json is not a complete JSON array of objects: {message}")


def test_the_rest_of_a_file_is_not_read_if_a_row_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 10_000)
    monkeypatch.setattr(module, "CHUNK", 1_000)
    with (tmp_path / "a.json").open("wb") as file:
        file.write(b'[{"name": "')
        file.truncate(1 << 34)  # 16 GB of null characters, which take no space on the disk
    with pytest.raises(AgeGenderError, match=r"row 1: (Unterminated string|Invalid control character)"):
        list(json_rows(tmp_path / "a.json"))


def test_files_that_are_no_text_or_not_there_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'[{"a": "\xff"}]')
    with pytest.raises(AgeGenderError, match=r"a.json row 1 is not UTF-8 text \(invalid start byte\)$"):
        list(json_rows(tmp_path / "a.json"))
    with pytest.raises(AgeGenderError, match=r"none.json cannot be read: No such file"):
        list(json_rows(tmp_path / "none.json"))


def test_memory_depends_on_the_chunk_and_not_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4096)
    text = json.dumps(ROWS * 200, indent=4)
    (tmp_path / "a.json").write_text(text)
    tracemalloc.start()
    assert sum(1 for _ in json_rows(tmp_path / "a.json")) == 8000
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert highest < 200_000 < len(text)
