"""The settings of a search."""

from typing import Any

import pytest

from agegender.errors import AgeGenderError
from agegender.sweeps.search.settings import SearchSettings

GOOD: dict[str, Any] = {"n_trials": 3, "seeds": 1, "storage": None, "study": None, "heartbeat": 15, "sampler": {}, "pruner": {}}


def test_a_study_in_the_sweep_directory_needs_no_name() -> None:
    assert SearchSettings(**GOOD).name == "search"
    assert SearchSettings(**{**GOOD, "study": "faces", "storage": "DB"}).name == "faces"


@pytest.mark.parametrize("key", ["n_trials", "seeds", "heartbeat"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "x", True, None])
def test_numbers_are_positive_integers(key: str, value: Any) -> None:
    with pytest.raises(AgeGenderError, match=rf"hydra.sweeper.{key}={value}: must be an integer of at least 1"):
        SearchSettings(**{**GOOD, key: value})


def test_a_shared_study_needs_a_name() -> None:
    with pytest.raises(AgeGenderError, match=r"hydra.sweeper.study=null"):
        SearchSettings(**{**GOOD, "storage": "DB"})
