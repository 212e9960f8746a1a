"""Settings that cannot be, refused before anything else happens."""

from typing import Any

from agegender.errors import AgeGenderError


def must(holds: bool, key: str, value: Any, allowed: str) -> None:
    """Refuses a value.

    Args:
        holds: Whether the value is allowed; comparisons with what is not a number are false, and so it is not.
        key: Its name in the configuration.
        value: What it was set to.
        allowed: What it must be, as in "above 0".

    Raises:
        AgeGenderError: It does not hold.
    """
    if not holds:
        raise AgeGenderError(f"{key}={value}: must be {allowed}")
