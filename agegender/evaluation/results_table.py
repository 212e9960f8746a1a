"""The metrics of a test as text."""

from collections.abc import Mapping
from typing import Any

from agegender.data.crop_report import crop_lines
from agegender.escaping import one_line
from agegender.evaluation.short_form import measures_in_short
from agegender.metrics.gender import CLASSES
from agegender.metrics.metric import Metric, Need
from agegender.metrics.registry import AGE, BY_KEY, EXACT_AGE, GENDER, NEEDS, shown

CAVEAT = "Gender labels are binary and assigned by appearance; an estimate is a guess at appearance, never an identity."
GUESS = {"age": "predicting the training median", "gender": "predicting the training majority"}
Values = Mapping[str, Any]


def results_table(metrics: Values) -> str:
    """The metrics of the tested split, each with its number of faces, and a baseline.

    Args:
        metrics: The content of ``metrics.json``.
    """
    tested, split, guess = metrics["tested"], metrics["split"], metrics.get("baseline") or {}
    values = metrics[tested]
    datasets = values.get("by_dataset") or {}
    content = f", content {split['content_sha256'][:12]}" if "content_sha256" in split else ""  # an earlier version had none
    lines = [f"{tested} split: {values['n']} faces, split {split['name']} {split['sha256'][:12]}{content}"]
    lines += crop_lines(metrics.get("images") or {})  # none of another model or an earlier version
    lines += _lines(values, guess, in_detail=not datasets) + measures_in_short(values)
    for name, own in datasets.items():
        lines += [f"of these {own['n']} faces of {name}", *_lines(own, (guess.get("by_dataset") or {}).get(name, {}))]
    return "\n".join(map(one_line, [*lines, CAVEAT]))


def _lines(values: Values, guess: Values, in_detail: bool = True) -> list[str]:
    lines = []
    for task in ("age", "gender"):
        if f"n_{task}" in values:
            own = [line for need in NEEDS if need.task == task for line in _measured(need, values, guess)]
            own = own or ["no labelled faces"]
            if in_detail:
                own += _decades(values) if task == "age" else _genders(values)
            lines += [f"  {name:7} {line}" for name, line in zip([task, *[""] * len(own)], own, strict=False)]
    return lines + _groups(values) if in_detail else lines


def _measured(need: Need, values: Values, guess: Values) -> list[str]:
    """A line for the metrics that need the same labels; the first has its interval and the baseline's value beside it."""
    metrics = [metric for metric in shown("summary") if metric.needs is need and values.get(metric.key) is not None]
    metrics = [metric for metric in metrics if not (metric.repeats and values.get(metric.repeats) == values[metric.key])]
    if not metrics:
        return []
    first, *others = [f"{metric.title} {_text(metric, values[metric.key])}" for metric in metrics]
    first += " years" if metrics[0].unit == "years" else ""
    if ends := values.get(f"{metrics[0].key}_ci95"):
        first += f" [95% {', '.join(_text(metrics[0], end) for end in ends)}]"
    against = guess.get(metrics[0].key)
    baseline = "" if against is None else f"; {GUESS[need.task]}: {_text(metrics[0], against)}"
    return ["  ".join([first, *others, f"(n={values[f'n_{need.key}']}{baseline})"])]


def _text(metric: Metric, value: float) -> str:
    return metric.text(value, decimals=1 if metric.unit == "share" else 2)


def _decades(values: Values) -> list[str]:
    mae, bias = BY_KEY["age_mae"], BY_KEY["age_bias"]
    rows = (values.get("by_group") or {}).get("age_decade") or {}
    return [
        f"{decade:>8}  {mae.title} {mae.text(row[mae.key]):>5}  {bias.title} {bias.text(row[bias.key]):>6}  n={row['n']}"
        for decade, row in rows.items()
    ]


def _genders(values: Values) -> list[str]:
    """A line for each labelled gender, and those of the two that go by other names if female is the positive class."""
    found = (values.get("confusions") or {}).get(GENDER.key)
    if not found:
        return []
    lines = []
    for gender, counts in zip(CLASSES, found["counts"], strict=True):
        cells = [f"{name} {_share(values[f'gender_{name.lower()}_{gender}'])}" for name in ("precision", "recall", "F1")]
        lines.append("  ".join([f"{gender:>8}", *cells, f"n={sum(counts)}"]))
    sensitivity, specificity = (values[f"gender_recall_{gender}"] for gender in ("female", "male"))
    if sensitivity is not None and specificity is not None:
        lines.append(f"sensitivity {_share(sensitivity)}  specificity {_share(specificity)}  (positive: female)")
    return lines


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _groups(values: Values) -> list[str]:
    """A line for all faces and one for each race, with a cell for each gender."""
    groups = values.get("by_group") or {}
    races = list(groups.get("race") or {})
    rows = {"all": [(name, (groups.get("gender") or {}).get(name)) for name in CLASSES]}
    if len(races) > 1:
        rows |= {race: [(name, groups["race_gender"].get(f"{race} {name}")) for name in CLASSES] for race in races}
    cells = {name: "   ".join(f"{gender} {_cell(row)}" for gender, row in pair if row) for name, pair in rows.items()}
    lines = [f"          {name:>15}  {cell}".rstrip() for name, cell in cells.items() if cell]
    return ["  groups  as labelled, by appearance", *lines] if lines else []


def _cell(row: Values) -> str:
    # The MAE is of exact ages only; beside the number of all faces it would mislead if some ages are ranges.
    error = "age_mae" if row.get(f"n_{EXACT_AGE.key}") == row.get(f"n_{AGE.key}") else "age_distance"
    metrics = [BY_KEY[key] for key in (error, "gender_accuracy") if row.get(key) is not None]
    cells = [f"{metric.title} {_text(metric, row[metric.key]):>5}" for metric in metrics]
    return " ".join([*cells, f"n={row['n']:<5}"])
