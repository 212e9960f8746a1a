"""Numbers as JSON holds them."""

from typing import Any

import numpy as np


def plain(values: Any) -> Any:
    """A number or an array as Python floats, in nested lists; None in place of NaN."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        return None if np.isnan(array) else float(array)
    return [plain(value) for value in array]


def interval(ends: Any) -> list[float] | None:
    """An interval [low, high]; None if it is undefined."""
    low, high = np.asarray(ends, dtype=np.float64).tolist()
    return None if np.isnan(low) or np.isnan(high) else [low, high]
