from collections.abc import Callable

import numpy as np
import pytest

from agegender.sources.toyfaces.traits import Traits, sample


def people(age: int, gender: int, count: int = 300) -> list[Traits]:
    return [sample(age, gender, np.random.default_rng([age, gender, index])) for index in range(count)]


def mean(persons: list[Traits], trait: Callable[[Traits], float]) -> float:
    return float(np.mean([trait(person) for person in persons]))


@pytest.mark.parametrize(
    ("young", "old", "trait"),
    [
        (1, 8, "chin"), (1, 8, "nose_length"), (8, 18, "neck"), (18, 1, "eye_open"), (18, 1, "iris"), (20, 45, "nasolabial"),
        (30, 60, "forehead_lines"), (35, 70, "grey"), (50, 75, "hollow"), (25, 60, "receding"), (70, 30, "lips"),
        (60, 95, "spots"),
    ],
)  # fmt: skip
def test_traits_change_with_age(young, old, trait):
    assert mean(people(old, 0), lambda one: getattr(one, trait)) > mean(people(young, 0), lambda one: getattr(one, trait))


@pytest.mark.parametrize(
    "trait", ["jaw_square", "neck", "brow_thick", "lips", "lashes", "nose_width", "hair_length", "receding", "earring"]
)
def test_traits_differ_by_gender_but_none_determines_it(trait):
    men, women = ([float(getattr(one, trait)) for one in people(50, gender)] for gender in (0, 1))
    assert abs(np.mean(men) - np.mean(women)) > 0.3 * np.std(men + women)
    cuts = np.quantile(men + women, np.linspace(0, 1, 41))[:, None]
    right = (np.mean(men > cuts, axis=1) + np.mean(women <= cuts, axis=1)) / 2
    best = max(right.max(), 1 - right.min())
    assert best < 0.95, "one trait alone determines the gender"


def test_the_genders_differ_less_in_children():
    def gap(age):
        men, women = people(age, 0), people(age, 1)
        return mean(men, lambda one: one.brow_thick) - mean(women, lambda one: one.brow_thick)

    assert gap(30) > 2 * gap(3)


def test_only_adult_men_have_beards():
    assert {one.beard for one in people(12, 0) + people(40, 1)} == {"none"}
    assert len({one.beard for one in people(40, 0)}) == 5


def test_skin_is_independent_of_age_and_gender():
    groups = [np.array([one.skin for one in people(age, gender)]) for age in (3, 30, 80) for gender in (0, 1)]
    everybody = np.concatenate(groups)
    assert everybody.mean(1).min() < 75 and everybody.mean(1).max() > 220
    for group in groups:
        assert np.abs(group.mean(0) - everybody.mean(0)).max() < 4 * everybody.std() / np.sqrt(len(group))


def test_some_old_persons_have_no_grey_hair_and_some_young_ones_do():
    assert min(one.grey for one in people(85, 1)) < 0.1 and max(one.grey for one in people(20, 0)) > 0.8


def test_colours_and_numbers_stay_in_range():
    for age in range(0, 101, 5):
        for one in people(age, age % 2, 40):
            for colour in (one.skin, one.hair, one.brow_colour, one.lip_colour, one.iris_colour):
                assert all(5 <= value <= 250 for value in colour)
            assert one.chin > 0.6 and one.eye_open > 0.02 and one.lips > 0 and one.volume > 0 and one.mouth_width > 0.1
