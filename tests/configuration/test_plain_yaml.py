"""YAML of other people: limits of length, depth and aliases."""

import pytest
import yaml

from agegender.configuration.plain_yaml import LONGEST, read_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "more than"),
        (MERGES, "more than"),
        ("a: &a [*a]", "more than"),
        ("[" * 5000, "nested too deep|expected"),
        ("x" * (LONGEST + 1), "longer than"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("{", "expected"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_yaml(text)


@pytest.mark.parametrize("value", [None, {}, {"a": [1, 2.5, True, None, "x"], "b": {"c": "2020-01-01"}}])
def test_plain_values_are_read(value: object) -> None:
    assert read_yaml(yaml.safe_dump(value)) == value


def test_the_aliases_that_the_writer_makes_are_read() -> None:
    ages = [0, 116]
    text = yaml.safe_dump({"age_range": ages, "head": {"age_range": ages}})
    assert "&id001" in text
    assert read_yaml(text) == {"age_range": ages, "head": {"age_range": ages}}
