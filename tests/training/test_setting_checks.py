"""Rejected settings."""

import math

import pytest

from agegender.errors import AgeGenderError
from agegender.training.setting_checks import require


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_a_rejected_value_is_named_with_its_key_and_what_is_allowed(value: float) -> None:
    with pytest.raises(AgeGenderError) as raised:
        require(value > 0, "optimizer.lr", value, "above 0")
    assert str(raised.value) == f"optimizer.lr={value}: must be above 0"


def test_an_allowed_value_passes() -> None:
    require(1e-3 > 0, "optimizer.lr", 1e-3, "above 0")
