"""Fairness, age gate and age intervals of a test in a few lines."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from agegender.metrics.metric import Metric
from agegender.metrics.registry import BY_KEY

KINDS = ("race_gender", "gender", "age_band")  # groups of the first kind that could be ranked are shown
SHOWN = ("age_mae", "age_distance", "gender_accuracy")
LEVEL = "90"  # percent, of the intervals that are shown
Values = Mapping[str, Any]


def measures_in_short(values: Values) -> list[str]:
    """A line for the largest gap between groups, for the age gate and for age intervals, as far as they were measured.

    Args:
        values: Metrics of the tested split; of an earlier version without these measures.
    """
    return [
        *_gaps(values.get("fairness") or {}),
        *_gate(values.get("age_gate") or {}),
        *_intervals(values.get("uncertainty") or {}),
    ]


def _gaps(fairness: Values) -> list[str]:
    kinds = fairness.get("kinds") or {}
    ranked: Values = next((kinds[kind] for kind in KINDS if kinds.get(kind)), {})
    lines: list[str] = []
    for key in SHOWN:
        if key not in ranked or (key == "age_distance" and "age_mae" in ranked):
            continue
        metric, found = BY_KEY[key], ranked[key]
        best, worst = (f"{found[which]} {_text(metric, found[f'{which}_value'])}" for which in ("best", "worst"))
        gap = _text(metric, found["gap"]) + _ends(found["gap_ci95"], partial(_text, metric))
        lines.append(f"  {'gap' if not lines else '':7} {metric.title} {gap}: best {best}, worst {worst}")
    return lines


def _gate(gate: Values) -> list[str]:
    lines: list[str] = []
    for age, found in (gate.get("legal_ages") or {}).items():
        curve = found["estimate"]
        if not found["n_under"]:
            continue
        line = f"under {age}: {_percent(curve['false_positive_rate'][0])} pass at {age} years"
        line += _ends(curve["false_positive_rate_ci95"][0], _percent)
        if least := curve["smallest"]:
            line += f"; {least['threshold']:g} years keeps it below {_percent(gate['target_rate'])}"
            line += _ends(least["ci95"], lambda end: "-" if end is None else f"{end:g}")
            if least["refused_rate"] is not None:
                line += f" and refuses {_percent(least['refused_rate'])} of the others"
        lines.append(f"  {'gate' if not lines else '':7} {line}  (n={found['n_under']})")
    return lines


def _intervals(uncertainty: Values) -> list[str]:
    age = uncertainty.get("age") or {}
    level = (age.get("levels") or {}).get(LEVEL)
    if not level:
        return []
    methods = {name: level[name] for name in ("conformal", "quantile") if level.get(name)}
    name, found = min(methods.items(), key=lambda item: item[1]["width"])
    how = "around the predicted age" if name == "conformal" else "from the predicted distribution"
    coverage = f"{_percent(found['coverage'])}{_ends(found['coverage_ci95'], _percent)}"
    return [f"  {'sure':7} {LEVEL}% age intervals {how}: mean width {found['width']:.1f} years, coverage {coverage}"]


def _text(metric: Metric, value: float) -> str:
    return metric.text(value, decimals=1 if metric.unit == "share" else 2)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _ends(ends: Any, text: Callable[[Any], str]) -> str:
    return "" if ends is None else f" [95% {text(ends[0])}, {text(ends[1])}]"
