"""Parsing of label texts, and the error messages for texts that cannot be parsed."""

import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.sources.labels import checked_values, parse_labels

GENDER = {"gender": {"M": "male", "f": "female", 1: "female", "?": "unknown"}}


def parse(values: dict, **columns: list[str]) -> pd.DataFrame:
    return parse_labels(pd.DataFrame(columns), checked_values(values), lambda row, label: f"row {row} {label}")


def known(labels: pd.DataFrame) -> list[tuple]:
    return [tuple(None if pd.isna(value) else value for value in row) for row in labels.itertuples(index=False)]


def test_ages_in_years_and_ranges_are_parsed() -> None:
    texts = ["35", "35.5", " 0 ", "25-32", "(25, 32)", "( 8 , 13 )", "(3-9)", "", "unknown", "child", "120"]
    labels = parse({"age": {"Child": "0-12"}}, age=texts)
    assert list(labels) == ["age_low", "age_high"]
    assert known(labels) == [
        *[(35, 35), (35.5, 35.5), (0, 0), (25, 32), (25, 32), (8, 13), (3, 9), (None, None), (None, None), (0, 12), (120, 120)]
    ]


INVALID = [
    "-1",
    "nan",
    "inf",
    "1e1",
    "1_0",
    "٣",
    "03-Sep",
    "70+",
    "121",
    "1985",
    "32-25",
    "--",
    "3-",
    "1.2.3",
    "12,75",
    "12, 75",
    "(25-32",
    "25-32)",
]


@pytest.mark.parametrize("text", INVALID)
def test_other_ages_are_errors_unless_values_lists_them(text: str) -> None:
    with pytest.raises(AgeGenderError, match=r"row 1 age: .*(neither an age|above 120 years|ends before)"):
        parse({}, age=["35", text])
    assert known(parse({"age": {text: "unknown"}}, age=["35", text])) == [(35, 35), (None, None)]


def test_age_low_and_age_high_are_parsed_and_compared() -> None:
    assert known(parse({}, age_low=["3", ""], age_high=["9", ""])) == [(3, 9), (None, None)]
    with pytest.raises(AgeGenderError, match=r"row 1 age_low: only one of age_low and age_high is known"):
        parse({}, age_low=["3", "4"], age_high=["9", ""])
    with pytest.raises(AgeGenderError, match=r"row 0 age_low: age_low is above age_high \(and 1 more\)"):
        parse({}, age_low=["9", "9"], age_high=["3", "3"])


def test_values_define_the_texts_of_gender() -> None:
    assert known(parse(GENDER, gender=["m", "F", " 1 ", "?", ""])) == [(0,), (1,), (1,), (None,), (None,)]
    assert known(parse({}, gender=["male", "Female"])) == [(0,), (1,)]


def test_unknown_texts_are_reported_once_with_their_number() -> None:
    with pytest.raises(AgeGenderError, match=r"row 1 gender: '0' is not one of m, f, 1, \?: .*values\.gender \(and 2 more\)"):
        parse(GENDER, gender=["m", "0", "0", "f", "0"])
    with pytest.raises(AgeGenderError, match=r"(?s)row 0 gender.*row 0 split: 'dev' is not one of train, val, test"):
        parse({}, gender=["x"], split=["dev"])
    with pytest.raises(AgeGenderError, match="and 3 other texts"):
        parse({}, gender=list("abcdefgh"))


def test_race_and_group_accept_any_text_unless_values_lists_them() -> None:
    assert known(parse({}, race=["Elf", ""], group=["Anna", ""])) == [("Elf", "Anna"), (None, None)]
    assert known(parse({"race": {"0": "White"}}, race=["0"])) == [("White",)]
    with pytest.raises(AgeGenderError, match="'1' is not one of 0"):
        parse({"race": {"0": "White"}}, race=["1"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sex": {}}, r"values\.sex: unknown label; allowed are age, "),
        ({"gender": {"0": "man"}}, r"values\.gender\.0=man: 'man' is not one of male, female; unknown is also allowed"),
        ({"age": {"old": "70+"}}, r"values\.age\.old=70\+: '70\+' is neither an age"),
        ({"split": {"dev": "valid"}}, r"values\.split\.dev=valid"),
    ],
)
def test_invalid_values_are_errors(values: dict, message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        checked_values(values)
