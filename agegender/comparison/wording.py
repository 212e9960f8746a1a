"""How numbers and names are written in tables that a person reads."""

from collections.abc import Sequence
from itertools import pairwise

LONG = 32  # characters; longer names of rows are replaced by numbers outside their table


def labels(names: Sequence[str]) -> dict[str, str]:
    """Short labels of the rows of a table: their names, or ``[1]``, ``[2]``, ... if one name is long."""
    return {name: f"[{place}]" if max(map(len, names)) > LONG else name for place, name in enumerate(names, 1)}


def p_value(p: float) -> str:
    """A p-value with four decimals, or ``<0.001``."""
    return f"{p:.4f}" if p >= 0.001 else "<0.001"


def yes(significant: bool) -> str:
    """``YES`` or ``no``."""
    return "YES" if significant else "no"


def comparisons(count: int) -> str:
    """The number of comparisons, as ``1 comparison`` or ``3 comparisons``."""
    return f"{count} comparison{'s' if count != 1 else ''}"


def scaled(number: float | None) -> str:
    """A large number with k, M or G; empty for None."""
    if number is None:
        return ""
    for size, unit in (1e9, "G"), (1e6, "M"), (1e3, "k"):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:g}"


def duration(seconds: float | None) -> str:
    """Seconds as hours and minutes, minutes and seconds, or seconds; empty for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def ages(starts: Sequence[int]) -> str:
    """Age classes, given the first year of each: ``up to 25, 26-50, 51 and over``."""
    between = [f"{first}-{after - 1}" for first, after in pairwise(starts[1:])]
    return ", ".join([f"up to {starts[1] - 1}", *between, f"{starts[-1]} and over"])
