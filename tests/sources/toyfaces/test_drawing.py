from dataclasses import replace

import numpy as np
import pytest

from agegender.sources.toyfaces.drawing import draw
from agegender.sources.toyfaces.traits import sample


@pytest.mark.parametrize("size", [32, 33, 96, 130])
@pytest.mark.parametrize("age", [0, 1, 18, 50, 100])
@pytest.mark.parametrize("gender", [0, 1])
def test_the_image_has_the_requested_size(size, age, gender):
    for seed in range(3):
        rng = np.random.default_rng([size, age, gender, seed])
        image = draw(sample(age, gender, rng), size, rng)
        assert image.shape == (size, size, 3) and image.dtype == np.uint8
        assert image.std() > 4, "the image is almost uniform"


def test_the_random_generator_changes_the_image_of_one_person():
    person = sample(30, 1, np.random.default_rng(0))
    first, again, other = (draw(person, 64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all() and not (first == other).all()


def test_every_beard_glasses_headwear_and_occluder_is_drawn():
    """Each choice of these traits occurs among 3,000 persons and changes the image."""
    seen: dict[str, dict[str, object]] = {name: {} for name in ("beard", "glasses", "headwear", "occluder")}
    for index in range(3000):
        person = sample(60, 0, np.random.default_rng(index))
        for name, people in seen.items():
            others = [getattr(person, other) for other in seen if other != name]
            if set(others) == {"none"}:
                people.setdefault(getattr(person, name), person)
    assert {name: set(people) for name, people in seen.items()} == {
        "beard": {"none", "stubble", "moustache", "goatee", "full"},
        "glasses": {"none", "clear", "sun"},
        "headwear": {"none", "cap", "beanie", "band"},
        "occluder": {"none", "bar", "hand", "mask"},
    }
    for name, people in seen.items():
        for choice, person in people.items():
            plain, changed = (draw(replace(person, **{name: one}), 96, np.random.default_rng(5)) for one in ("none", choice))
            assert (choice == "none") == bool((plain == changed).all()), f"{name}={choice} does not change the image"
