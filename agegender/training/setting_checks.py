"""Rejects impossible values of settings, with one line that names the key and what is allowed."""

from typing import Any

from agegender.errors import AgeGenderError


def require(holds: bool, key: str, value: Any, allowed: str) -> None:
    """Rejects the value of a setting unless a condition holds.

    Args:
        holds: Whether the value is allowed. Write the condition so that NaN fails it: ``lr > 0``, not ``not lr <= 0``.
        key: Name of the setting in the configuration, such as ``optimizer.lr``.
        value: Its value.
        allowed: The values that are allowed, such as "above 0".

    Raises:
        AgeGenderError: The condition does not hold.
    """
    if not holds:
        raise AgeGenderError(f"{key}={value}: must be {allowed}")
