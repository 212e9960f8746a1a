import csv
from pathlib import Path

import pytest

from agegender.inference.audience import Audience
from agegender.inference.predictor import Face
from agegender.inference.tracking import Track


def track(first: float, age: float | None, female: float | None, seen: int = 9) -> Track:
    return Track(1, first, first + 1, seen, Face(age, None, 90, None, 0, female, (0, 0, 1, 1), 0.9))


def test_cells_equal_hand_counts(tmp_path: Path) -> None:
    audience = Audience(window=10, minimum=2)
    for one in [track(1, 25, 0.9), track(9.9, 29.4, 0.5), track(11, 25, 0.9), track(12, 25, 0.8), track(3, 35, 0.9),
                track(4, 8, 0.1), track(4, 3, 0.2), track(5, 5, 0.3), track(6, 5, 0.3, seen=1)]:  # fmt: skip
        audience.add(one)
    assert audience.rows() == [
        (0, 10, "3-9", "male", 3),
        (0, 10, "20-29", "female", 2),
        (10, 20, "20-29", "female", 2),
    ]  # the person of 35 would be alone
    audience.write(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"from_second": "0", "to_second": "10", "age_range": "3-9", "gender": "male", "tracks": "3"}
    assert len(rows) == 3 and [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(("age", "female", "expected"), [(None, 0.9, ("", "female")), (70.0, None, ("70+", ""))])
def test_what_the_model_does_not_estimate_is_empty(age: float | None, female: float | None, expected: tuple[str, str]) -> None:
    audience = Audience(minimum=1)
    audience.add(track(0, age, female))
    assert audience.rows() == [(0, 60, *expected, 1)]
