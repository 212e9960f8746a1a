"""Files with the estimates of other models: what is read, and what is refused in one line."""

import math
from pathlib import Path

import pytest

from agegender.errors import AgeGenderError
from agegender.evaluation.prediction_file import read_prediction_file


def write(folder: Path, text: str) -> Path:
    file = folder / "vendor.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_ages_and_genders_are_read_with_their_lines(tmp_path: Path) -> None:
    found = read_prediction_file(write(tmp_path, "gender,path,box,age\nWoman,a.jpg,9,31.5\n\nm,b.jpg,,\n"))
    assert list(found["path"]) == ["a.jpg", "b.jpg"] and list(found["line"]) == [2, 4]
    assert found["age_pred"].iloc[0] == 31.5 and math.isnan(found["age_pred"].iloc[1])
    assert list(found["probability_female"]) == [1.0, 0.0]


def test_a_probability_replaces_a_gender_and_an_age_is_optional(tmp_path: Path) -> None:
    found = read_prediction_file(write(tmp_path, "path,probability_female\na.jpg,0.25\n"))
    assert list(found["probability_female"]) == [0.25] and "age_pred" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column path; it is empty"),
        ("file,age\na,1\n", "no column path; it has file, age"),
        ("path,years\na,1\n", "no column age, gender or probability_female; it has path, years"),
        ("path,age,age\na,1,1\n", "two columns age"),
        ("path,gender,probability_female\na,m,0\n", "both gender and probability_female"),
        ("path,age\n", "has no row"),
        ("path,age\na,1,2\n", "row 2 has 3 cells; expected 2"),
        ("path,age\n,1\n", "row 2, column path: it is empty"),
        ("path,age\na,1\nb,old\n", "row 3, column age: 'old' is not a number"),
        ("path,age\na,nan\n", "row 2, column age: 'nan' is not an age in years, 0 to 150"),
        ("path,age\na,-3\n", "row 2, column age: '-3' is not an age in years, 0 to 150"),
        ("path,gender\na,1\n", "row 2, column gender: '1' is not one of male, m, man, female, f, woman"),
        ("path,probability_female\na,93\n", "row 2, column probability_female: '93' is not a probability, 0 to 1"),
        ("path,age\n" + "a,x\n" * 7, "and 2 more"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=message) as caught:
        read_prediction_file(write(tmp_path, text))
    assert str(tmp_path / "vendor.csv") in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"nothing\.csv cannot be read: No such file"):
        read_prediction_file(tmp_path / "nothing.csv")
