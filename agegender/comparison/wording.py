"""How figures are called and written in tables that a person reads."""

from collections.abc import Sequence
from itertools import pairwise

from agegender.configuration.paper import SHARES

TITLES = {
    "mae": "MAE", "distance": "years off", "rmse": "RMSE", "cs5": "CS@5", "class_accuracy": "class",
    "gender_accuracy": "gender", "age_loss": "age loss", "gender_loss": "gender loss", "latency_ms": "latency",
}  # fmt: skip

# Figures of every epoch that are drawn as curves, by their names in history.csv after the part.
CURVES = {
    "loss": "loss",
    "age_mae": "MAE (years)",
    "age_distance": "years from label",
    "age_class_accuracy": "age class accuracy",
    "gender_accuracy": "gender accuracy",
}

LONG = 32  # characters of a name that is not repeated in other tables


def title(name: str) -> str:
    """What a figure is called, such as ``CS@5`` or ``recall female``."""
    return TITLES.get(name, name.replace("_", " "))


def value(name: str, number: float, sign: str = "") -> str:
    """A figure with its unit: shares in percent; ``sign`` "+" shows that of a difference."""
    if name in SHARES:
        return f"{100 * number:{sign}.2f}%"
    return f"{number:{sign}.1f} ms" if name == "latency_ms" else f"{number:{sign}.2f}"


def labels(names: Sequence[str]) -> dict[str, str]:
    """What to call the rows of a table elsewhere: by their names, or by numbers if one is long."""
    return {name: f"[{place}]" if max(map(len, names)) > LONG else name for place, name in enumerate(names, 1)}


def p_value(p: float) -> str:
    """Four digits, as far as they mean something."""
    return f"{p:.4f}" if p >= 0.001 else "<0.001"


def yes(larger: bool) -> str:
    """Whether a difference is larger than chance: the rarer answer stands out."""
    return "YES" if larger else "no"


def comparisons(count: int) -> str:
    """So many of them."""
    return f"{count} comparison{'s' if count != 1 else ''}"


def scaled(number: float | None) -> str:
    """A large number with k, M or G."""
    if number is None:
        return ""
    for size, unit in (1e9, "G"), (1e6, "M"), (1e3, "k"):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:g}"


def duration(seconds: float | None) -> str:
    """Hours, minutes and seconds, the largest two."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def ages(starts: Sequence[int]) -> str:
    """Age classes by their first years: the first class takes whatever is younger than the second."""
    between = [f"{first}-{after - 1}" for first, after in pairwise(starts[1:])]
    return ", ".join([f"up to {starts[1] - 1}", *between, f"{starts[-1]} and over"])
