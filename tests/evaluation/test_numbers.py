"""Numbers as JSON holds them."""

import numpy as np

from agegender.evaluation.numbers import interval, plain


def test_arrays_become_lists_and_nan_becomes_none() -> None:
    assert plain(np.array([[1, np.nan], [3, 4]])) == [[1.0, None], [3.0, 4.0]]
    assert plain(np.float32(2)) == 2.0 and isinstance(plain(np.float32(2)), float) and plain(np.nan) is None


def test_an_interval_has_both_ends_or_is_none() -> None:
    assert interval(np.array([1, 2])) == [1.0, 2.0] and interval([1, np.nan]) is None
