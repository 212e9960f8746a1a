"""Differences on the same faces, over seeds, and over splits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agegender.comparison.differences import Pair, differences
from agegender.comparison.discovery import read
from agegender.comparison.rows import name_apart, rows_of

Write = Callable[..., Path]
RANDOM = np.random.default_rng(0)
ERRORS = RANDOM.exponential(6, size=300)


def pairs(*paths: Path, classes: tuple[int, ...] = ()) -> dict[str, Pair]:
    rows, _ = rows_of([read(path) for path in paths])
    name_apart(rows)
    return {f"{pair.metric.key} {pair.first} {pair.second}": pair for pair in differences(rows, classes)}


def test_a_small_steady_difference_is_significant_and_a_noisy_one_is_not(write_run: Write) -> None:
    shuffled = RANDOM.permutation(ERRORS) + 0.2
    found = pairs(
        write_run("a", ERRORS, name="a"),
        write_run("b", ERRORS + 0.2, name="b", image_size=1),
        write_run("c", shuffled, name="c", image_size=2),
    )
    steady, noisy = found["age_mae a b"], found["age_mae a c"]
    assert steady.difference.value == pytest.approx(-0.2, abs=1e-4) and steady.larger_than_chance
    assert noisy.difference.value == pytest.approx(-0.2, abs=1e-4) and not noisy.larger_than_chance
    wide = 2 * 1.96 * (ERRORS - shuffled).std() / 300**0.5  # of a paired z-test
    assert noisy.difference.high - noisy.difference.low == pytest.approx(wide, rel=0.05)


def test_gender_and_age_classes_are_compared_if_both_rows_have_them(write_run: Write) -> None:
    right = RANDOM.random(300) < 0.7
    found = pairs(
        write_run("a", ERRORS, right=np.ones(300, bool), name="a"),
        write_run("b", ERRORS, right=right, name="b", image_size=1),
        write_run("c", ERRORS, name="c", image_size=2),  # without a gender task
        classes=(0, 26, 51, 76),
    )
    assert {key for key in found if key.startswith("gender")} == {"gender_accuracy a b"}
    gender = found["gender_accuracy a b"]
    assert gender.difference.value == pytest.approx(1 - right.mean()) and gender.larger_than_chance
    assert found["age_class_accuracy a c"].difference == (0.0, 0.0, 0.0, 1.0)
    assert gender.adjusted == pytest.approx(gender.difference.p * len(found))  # the smallest of all p-values


def test_the_distance_is_tested_only_where_it_is_not_the_error(write_run: Write) -> None:
    def keys(width: float) -> set[str]:
        runs = [write_run(f"{name}{width}", ERRORS + n, name=name, width=width, image_size=n) for n, name in enumerate("ab")]
        return {"age_mae a b", "age_distance a b"} & set(pairs(*runs))

    assert keys(0) == {"age_mae a b"} and keys(5) == {"age_distance a b"}


def test_a_difference_smaller_than_the_variation_over_seeds_is_not_significant(write_run: Write) -> None:
    def seeds(model: str, means: list[float], **settings: object) -> list[Path]:
        return [
            write_run(f"{model}{seed}", ERRORS + mean, seed=seed, name=model, **settings) for seed, mean in enumerate(means)
        ]

    steady = pairs(*seeds("a", [0.0, 0.01, 0.02]), *seeds("b", [0.5, 0.51, 0.52], image_size=1))["age_mae a b"]
    assert steady.seeds == (3, 3) and steady.larger_than_chance
    assert steady.difference.value == pytest.approx(-0.5, abs=1e-4)
    loose = pairs(*seeds("c", [0.0, 0.6, 1.2]), *seeds("d", [0.5, 1.1, 1.7], image_size=1))["age_mae c d"]
    assert loose.difference.value == pytest.approx(-0.5, abs=1e-4)
    assert not loose.larger_than_chance  # although on the faces alone it would be
    one = pairs(write_run("e", ERRORS, name="e"), write_run("f", ERRORS + 0.5, name="f", image_size=1))["age_mae e f"]
    assert one.seeds == (1, 1) and one.larger_than_chance


def test_with_a_split_for_each_seed_differences_within_seeds_are_tested(write_run: Write) -> None:
    def splits(model: str, shifts: list[float], **settings: object) -> list[Path]:
        # the test faces of one seed are far harder than those of another, for both models
        return [
            write_run(
                f"{model}{s}", ERRORS * (s + 1) + shift, faces=f"split{s}", seed=s, split={"seed": s}, name=model, **settings
            )
            for s, shift in enumerate(shifts)
        ]

    found = pairs(*splits("a", [0, 0, 0, 0]), *splits("b", [0.5, 0.52, 0.48, 0.5], image_size=1))["age_mae a b"]
    assert found.difference.value == pytest.approx(-0.5, abs=1e-4) and found.larger_than_chance
    within = np.std([-0.5, -0.52, -0.48, -0.5], ddof=1)
    wide = 2 * 3.182 * within * (1 / 4 + 300 / 100) ** 0.5  # t with 3 degrees of freedom; 100 training faces
    assert found.difference.high - found.difference.low == pytest.approx(wide, rel=0.15)


def test_faces_of_one_group_are_drawn_together_and_faces_without_a_group_alone(write_run: Write) -> None:
    errors, other = RANDOM.exponential(6, size=(2, 60)).repeat(5, axis=1)

    def width(place: str, groups: list[str] | None) -> float:
        one = write_run(f"{place}a", errors, groups=groups, name="a")
        pair = pairs(one, write_run(f"{place}b", other, groups=groups, name="b", image_size=1))["age_mae a b"]
        return pair.difference.high - pair.difference.low

    alone = width("alone", None)  # all names empty
    assert width("tied", [f"person {n // 5}" for n in range(300)]) == pytest.approx(5**0.5 * alone, rel=0.1)


def test_with_many_rows_a_clearly_best_row_stays_significant(write_run: Write) -> None:
    every = [ERRORS + 0.5 * (row > 0) + RANDOM.normal(0, 1, size=300) for row in range(24)]
    found = pairs(*(write_run(f"m{n}", one, name=f"m{n}", image_size=n) for n, one in enumerate(every)))
    found = {key: pair for key, pair in found.items() if key.startswith("age_mae ")}
    assert len(found) == 276
    assert all(pair.larger_than_chance for key, pair in found.items() if key.startswith("age_mae m0 "))
    assert sum(pair.larger_than_chance for pair in found.values()) <= 25
