"""Rows of a CSV file: cells, numbers, and errors that name the row."""

from pathlib import Path

import pytest

from agegender.errors import AgeGenderError
from agegender.sources.csv_rows import LINES, csv_rows


def rows(folder: Path, text: str, delimiter: str = ",") -> list[tuple[int, list[str]]]:
    (folder / "a.csv").write_text(text, newline="")
    return list(csv_rows(folder / "a.csv", delimiter))


def test_rows_have_the_number_of_their_first_line_and_stripped_cells(tmp_path: Path) -> None:
    text = '\ufeffpath,age\r\n\r\n a.jpg , 3\r\n,\r\n"b\nb",4\r\nc,5'
    assert rows(tmp_path, text) == [(1, ["path", "age"]), (3, ["a.jpg", "3"]), (5, ["b\nb", "4"]), (7, ["c", "5"])]
    assert rows(tmp_path, "a;b,c\n", ";") == [(1, ["a", "b,c"])]
    assert rows(tmp_path, 'a,"b\n\nc\n', LINES) == [(1, ['a,"b']), (3, ["c"])]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('path,age\na,1\n"b"c,2\nd,3\n', 3),
        ('path,age\na,1\nb,"2\nd,3\n', 3),
        ('path,age\na,1\n"b,2\nc,3\n"d",4\n', 3),
        ('path,age\n\n"b\nb",2\n"c"c,3\n', 5),
        ("path,age\n" + 200_000 * "a" + ",1\n", 2),
    ],
)
def test_an_error_names_the_row_where_it_starts(text: str, row: int, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=rf"^{tmp_path}/a\.csv row {row} is not well-formed CSV: .*stray quote\?$"):
        rows(tmp_path, text)


def test_a_file_that_cannot_be_read_is_an_error_under_the_given_name(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"^labels cannot be read: No such file or directory$"):
        list(csv_rows(tmp_path / "none.csv", name="labels"))
    (tmp_path / "latin.csv").write_bytes(b"path\n\xfc.jpg\n")
    with pytest.raises(AgeGenderError, match=r"^labels is not UTF-8 text .* at byte 5.*: save the file as UTF-8$"):
        list(csv_rows(tmp_path / "latin.csv", name="labels"))
