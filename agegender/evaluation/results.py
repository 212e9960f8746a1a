"""From a table of predictions to the figures of ``metrics.json`` and to lines a person reads."""

from typing import Any

import numpy as np
import pandas as pd

from agegender.metrics.age import age_metrics
from agegender.metrics.baseline import age_baseline, gender_baseline
from agegender.metrics.gender import gender_metrics

CAVEAT = "Gender labels are binary and assigned by appearance; an estimate is a guess at appearance, never an identity."


def part_metrics(predictions: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Figures over one part of the data.

    Args:
        predictions: Face table columns and, as far as the model has the task, ``age_pred`` in years and
            ``probability_female`` in 0..1.
        seed: Of the bootstrap.

    Returns:
        ``n`` faces, and ``age`` and ``gender`` as described in ``agegender.metrics``.
    """
    result: dict[str, Any] = {"n": len(predictions)}
    if "age_pred" in predictions:
        result["age"] = age_metrics(predictions["age_pred"], predictions["age_low"], predictions["age_high"], seed)
    if "probability_female" in predictions:
        result["gender"] = gender_metrics(predictions["probability_female"], gender_labels(predictions), seed)
    return result


def baseline(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """Figures of guessing the training part's median age and majority gender for every test face."""
    return {
        "age": age_baseline(train["age_low"], train["age_high"], test["age_low"], test["age_high"]),
        "gender": gender_baseline(gender_labels(train), gender_labels(test)),
    }


def gender_labels(frame: pd.DataFrame) -> np.ndarray:
    """Labels as integers, -1 where unknown, [N]."""
    return frame["gender"].fillna(-1).to_numpy(dtype=np.int64)


def results_table(metrics: dict[str, Any], part: str = "test") -> str:
    """The figures of one part as text, each with its sample size, interval, split and baseline."""
    figures, split, guess = metrics[part], metrics["split"], metrics.get("baseline", {})
    lines = [f"{part} part: {figures['n']} faces, split {split['name']} {split['sha256'][:12]}"]
    if age := figures.get("age"):
        lines += _age_lines(age, guess.get("age", {}))
    if gender := figures.get("gender"):
        lines += _gender_lines(gender, guess.get("gender", {}))
    return "\n".join([*lines, CAVEAT])


def _age_lines(age: dict[str, Any], guess: dict[str, Any]) -> list[str]:
    if age["mae"] is None:
        distance = "-" if age["distance"] is None else f"{age['distance']:.2f}"
        return [f"  age     distance to the labelled range {distance} years (n={age['n']}; no exact ages)"]
    low, high = age["mae_ci95"]
    against = f"; guessing the median: {guess['mae']:.2f}" if guess.get("mae") is not None else ""
    lines = [
        f"  age     MAE {age['mae']:.2f} years [95% {low:.2f}, {high:.2f}]  RMSE {age['rmse']:.2f}  "
        f"CS@5 {age['cs5']:.1%}  (n={age['n_exact']}{against})"
    ]
    lines += [
        f"          {decade:>8}  MAE {row['mae']:5.2f}  bias {row['bias']:+6.2f}  n={row['n']}"
        for decade, row in age["by_decade"].items()
    ]
    return lines


def _gender_lines(gender: dict[str, Any], guess: dict[str, Any]) -> list[str]:
    if gender["accuracy"] is None:
        return ["  gender  no labelled faces"]
    low, high = gender["accuracy_ci95"]
    against = f"; guessing the majority: {guess['accuracy']:.1%}" if guess.get("accuracy") is not None else ""
    lines = [f"  gender  accuracy {gender['accuracy']:.1%} [95% {low:.1%}, {high:.1%}]  (n={gender['n']}{against})"]
    for row, name in enumerate(("male", "female")):
        share = {key: "-" if gender[key][name] is None else f"{gender[key][name]:.1%}" for key in ("precision", "recall", "f1")}
        lines.append(
            f"          {name:>8}  precision {share['precision']}  recall {share['recall']}  F1 {share['f1']}  "
            f"n={sum(gender['confusion'][row])}"
        )
    return lines
