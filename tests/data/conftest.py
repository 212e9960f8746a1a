"""Generated tables of faces for the tests of splits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agegender.sources.faces import FaceTable


def make_population(number: int = 2000, seed: int = 0, groups: int | None = None) -> FaceTable:
    """A dataset ``d`` of faces with ages, genders and, if asked for, random groups of people."""
    rng = np.random.default_rng(seed)
    age = rng.gamma(3, 12, number).clip(1, 110).round()
    columns = {
        "path": [f"part{i % 3}/{i}.jpg" for i in range(number)],
        "age_low": age,
        "age_high": age,
        "gender": rng.integers(0, 2, number),
    }
    if groups:
        columns["group"] = [f"person {one}" for one in rng.integers(0, groups, number)]
    return FaceTable.of("d", Path("/d"), columns)


@pytest.fixture(scope="session")
def population() -> Callable[..., FaceTable]:
    """Makes a table of faces: ``population(number, seed, groups)``."""
    return make_population
