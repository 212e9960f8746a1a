"""Label files in the formats of different datasets, and the error messages for invalid files."""

from pathlib import Path

import pytest

from agegender.errors import AgeGenderError
from agegender.sources.tables import Table


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_csv_with_other_column_names(tmp_path: Path) -> None:
    write(tmp_path / "faces.csv", '\ufefffile, years ,sex,camera\r\na.jpg,30,m,x\r\n\r\n,,,\r\n"b, c.jpg",,f,\r\n')
    rows = Table("faces.csv", columns={"path": "file", "age": "years", "gender": "sex", "race": None}).read(tmp_path)
    assert rows.images == ["a.jpg", "b, c.jpg"]
    assert rows.lines == [2, 5]
    assert rows.texts.to_dict("list") == {"age": ["30", ""], "gender": ["m", "f"]}
    assert rows.unread == ["camera"]
    assert rows.where(1, "gender") == "faces.csv row 5, column sex"
    assert rows.where(1, "age_low") == "faces.csv row 5, column years"
    assert rows.where(0) == "faces.csv row 2"


def test_a_list_without_header_and_with_constant_labels(tmp_path: Path) -> None:
    write(tmp_path / "sets/train.txt", "00000A02.jpg 0 \n00001A02.jpg 1\n")
    table = Table("sets/train.txt", header=["path", "gender"], delimiter="space", image="faces/{path}", labels={"fold": 3})
    rows = table.read(tmp_path)
    assert rows.images == ["faces/00000A02.jpg", "faces/00001A02.jpg"]
    assert rows.texts.to_dict("list") == {"gender": ["0", "1"], "fold": ["3", "3"]}
    assert rows.lines == [1, 2] and rows.unread == []


def test_the_image_path_is_made_from_a_template(tmp_path: Path) -> None:
    write(tmp_path / "fold.txt", "user\tname\tid\tage\n30@N1\tb.jpg\t7\t(25, 32)\n")
    rows = Table("fold.txt", delimiter="tab", image="faces/{user}/face.{id}.{name}", columns={"group": "user"}).read(tmp_path)
    assert rows.images == ["faces/30@N1/face.7.b.jpg"]
    assert rows.texts.to_dict("list") == {"age": ["(25, 32)"], "group": ["30@N1"]}


def test_parallel_lists_must_have_values_on_the_same_lines(tmp_path: Path) -> None:
    write(tmp_path / "names", "a.jpg\nb.jpg\n")
    write(tmp_path / "ages", "3\n40\n")
    table = Table("names", header=["path"], beside={"age": "ages"})
    assert table.read(tmp_path).texts.to_dict("list") == {"age": ["3", "40"]}
    for ages in ("3\n", "3\n\n40\n", "3\n40\n50\n"):
        write(tmp_path / "ages", ages)
        with pytest.raises(AgeGenderError, match=r"ages \(\d lines\) and names \(2\) must have values on the same lines"):
            table.read(tmp_path)


def test_a_file_in_the_root_is_preferred_to_one_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outside = write(tmp_path / "faces.csv", "path,age\noutside.jpg,1\n")
    assert Table("faces.csv").read(tmp_path / "root").images == ["outside.jpg"]
    write(tmp_path / "root/faces.csv", "path,age\ninside.jpg,1\n")
    assert Table("faces.csv").read(tmp_path / "root").images == ["inside.jpg"]
    assert Table(str(outside)).read(tmp_path / "root").images == ["outside.jpg"]


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("file,age\na,1\n", {}, r"has no column 'path' \(columns\.path\); it has file, age"),
        ("path;age\na;1\n", {}, r"no column 'path' .*it has path;age; is the delimiter semicolon\?"),
        ("path,age\na,1\n", {"columns": {"gender": "sex"}}, r"no column 'sex' \(columns\.gender\)"),
        ("path,age\na,1\n", {"image": "{folder}/{path}"}, r"no column 'folder' \(image\)"),
        ("path,age\na,1\n", {"image": "{path.__class__}"}, r"no column 'path.__class__' \(image\)"),
        ("path,age,age_low,age_high\na,1,1,1\n", {}, r"has age and also age_low or age_high: set columns\.age=null"),
        ("path,age_low\na,1\n", {}, "only one of age_low and age_high"),
        ("path,age,age\na,1,1\n", {}, "two columns have the same name: path, age, age"),
        ("", {}, "the file is empty"),
        ("path,age\na,1\nb\n", {}, "row 3 has 1 cells; expected 2: path, age"),
        ("path,age\na,1,2\n", {}, "row 2 has 3 cells"),
        ('path,age\n"a,1\n', {}, "row 2 is not well-formed CSV"),
        ("path,age\n\xfcber.jpg,1\n".encode("latin-1"), {}, "is not UTF-8 text"),
        (None, {}, r"faces\.csv cannot be read: No such file"),
    ],
)
def test_invalid_files_raise_an_error_with_file_and_row(
    tmp_path: Path, text: str | bytes | None, arguments: dict, message: str
) -> None:
    if text is not None:
        write(tmp_path / "faces.csv", text)
    with pytest.raises(AgeGenderError, match=rf"faces\.csv.*{message}" if text is not None else message):
        Table("faces.csv", **arguments).read(tmp_path)


def test_columns_are_checked_by_the_constructor() -> None:
    with pytest.raises(AgeGenderError, match=r"columns\.sex of faces\.csv: unknown label; allowed are path, age"):
        Table("faces.csv", columns={"sex": "gender"})
