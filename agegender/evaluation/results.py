"""From a table of predictions to the figures of ``metrics.json`` and to lines a person reads."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agegender.metrics.age import age_metrics
from agegender.metrics.baseline import age_baseline, gender_baseline
from agegender.metrics.gender import CLASSES, gender_metrics
from agegender.metrics.groups import group_figures
from agegender.metrics.ranges import range_metrics

CAVEAT = "Gender labels are binary and assigned by appearance; an estimate is a guess at appearance, never an identity."


def part_metrics(predictions: pd.DataFrame, seed: int, classes: Sequence[int] = ()) -> dict[str, Any]:
    """Figures over one part of the data.

    Args:
        predictions: Face table columns and, as far as the model has the task, ``age_pred`` in years and
            ``probability_female`` in 0..1.
        seed: Of the bootstrap.
        classes: First year of each age class of the head, if it tells classes apart.

    Returns:
        ``n`` faces; ``age`` (with ``ranges`` and, where there are some, ``classes``) and ``gender`` as described in
        ``agegender.metrics``; ``by_group``, figures of each ``gender``, ``race`` and ``race_gender`` as labelled; and where
        faces are of several data sets ``by_dataset``, all of this for each of them.
    """
    result: dict[str, Any] = {"n": len(predictions)}
    tied = groups_of(predictions)
    if "age_pred" in predictions:
        age = predictions["age_pred"], predictions["age_low"], predictions["age_high"]
        result["age"] = {**age_metrics(*age, seed, tied), "ranges": range_metrics(*age, seed, groups=tied)}
        if classes:
            names = [f"{first}-{after - 1}" for first, after in pairwise(classes)] + [f"{classes[-1]}+"]
            result["age"]["classes"] = {"names": names, **range_metrics(*age, seed, classes, tied)}
    if "probability_female" in predictions:
        result["gender"] = gender_metrics(predictions["probability_female"], gender_labels(predictions), seed, tied)
    result["by_group"] = _by_group(predictions)
    parts = predictions.groupby("dataset", sort=False)
    if len(parts) > 1:
        result["by_dataset"] = {name: part_metrics(rows, seed, classes) for name, rows in parts}
    return result


def _by_group(predictions: pd.DataFrame) -> dict[str, Any]:
    """Race and gender as labelled; a race is in the data set's own words."""
    gender = predictions["gender"].map(dict(enumerate(CLASSES))).astype("string")
    groups = {"gender": gender, "race": predictions["race"], "race_gender": predictions["race"] + " " + gender}
    labels = predictions["age_low"], predictions["age_high"]
    age, female = predictions.get("age_pred"), predictions.get("probability_female")
    return {
        name: group_figures(group.astype(object).where(group.notna(), None), age, *labels, female, gender_labels(predictions))
        for name, group in groups.items()
    }


def baseline(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """Figures of guessing the training part's median age and majority gender for every test face.

    Where the test faces are of several data sets, ``by_dataset`` holds those of the same guess for each of them.
    """
    result: dict[str, Any] = {
        "age": age_baseline(train["age_low"], train["age_high"], test["age_low"], test["age_high"]),
        "gender": gender_baseline(gender_labels(train), gender_labels(test)),
    }
    parts = test.groupby("dataset", sort=False)
    if len(parts) > 1:
        result["by_dataset"] = {name: baseline(train, rows) for name, rows in parts}
    return result


def groups_of(faces: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each face, shared by those that ``group`` ties together (copies, a person), [N]; others are alone."""
    if "group" not in faces:
        return np.arange(len(faces))
    names = faces["group"].fillna("").astype(str)
    alone = pd.Series([f"\0{row}" for row in range(len(faces))], index=faces.index)
    return pd.factorize(names.where(names != "", alone))[0].astype(np.int64)


def gender_labels(frame: pd.DataFrame) -> np.ndarray:
    """Labels as integers, -1 where unknown, [N]."""
    return frame["gender"].fillna(-1).to_numpy(dtype=np.int64)


def results_table(metrics: dict[str, Any]) -> str:
    """The figures of the tested part as text, each with its sample size, interval, split and baseline."""
    part = metrics["split"]["part"]
    figures, split, guess = metrics[part], metrics["split"], metrics.get("baseline", {})
    lines = [f"{part} part: {figures['n']} faces, split {split['name']} {split['sha256'][:12]}"]
    datasets = figures.get("by_dataset", {})
    lines += _lines(figures, guess, in_detail=not datasets)
    for name, own in datasets.items():
        lines += [f"of these {own['n']} faces of {name}", *_lines(own, guess.get("by_dataset", {}).get(name, {}))]
    return "\n".join([*lines, CAVEAT])


def _lines(figures: dict[str, Any], guess: dict[str, Any], in_detail: bool = True) -> list[str]:
    lines = []
    if age := figures.get("age"):
        lines += _age_lines(age, guess.get("age", {}), in_detail)
    if gender := figures.get("gender"):
        lines += _gender_lines(gender, guess.get("gender", {}), in_detail)
    if in_detail:
        lines += _group_lines(figures.get("by_group", {}))
    return lines


def _age_lines(age: dict[str, Any], guess: dict[str, Any], in_detail: bool) -> list[str]:
    if not age["n"]:
        return ["  age     no labelled faces"]
    lines = []
    if age["n_exact"]:
        low, high = age["mae_ci95"]
        against = f"; guessing the median: {guess['mae']:.2f}" if guess.get("mae") is not None else ""
        lines.append(
            f"  age     MAE {age['mae']:.2f} years [95% {low:.2f}, {high:.2f}]  RMSE {age['rmse']:.2f}  "
            f"CS@5 {age['cs5']:.1%}  (n={age['n_exact']}{against})"
        )
    if age["n_exact"] < age["n"]:
        against = f"; guessing the median: {guess['distance']:.2f}" if guess.get("distance") is not None else ""
        exact = f", {age['n_exact']} exact ages among them" if age["n_exact"] else ", all of them ranges"
        lines.append(f"  age     {age['distance']:.2f} years from the label  (n={age['n']}{exact}{against})")
    classes = age.get("classes", {})
    for words, ranges in ("nine ranges", age.get("ranges", {})), (f"{len(classes.get('names', ()))} classes", classes):
        if ranges.get("n"):
            low, high = ranges["accuracy_ci95"]
            lines.append(
                f"          {words}: accuracy {ranges['accuracy']:.1%} [95% {low:.1%}, {high:.1%}]  balanced "
                f"{ranges['balanced_accuracy']:.1%}  one-off {ranges['one_off']:.1%}  (n={ranges['n']})"
            )
    if in_detail:
        lines += [
            f"          {decade:>8}  MAE {row['mae']:5.2f}  bias {row['bias']:+6.2f}  n={row['n']}"
            for decade, row in age["by_decade"].items()
        ]
    return lines


def _group_lines(groups: dict[str, Any]) -> list[str]:
    """A line for all faces and one for each race, with a cell for each gender; what is not labelled has none."""
    races = list(groups.get("race", {}))
    rows = {"all": [(name, groups.get("gender", {}).get(name)) for name in CLASSES]}
    if len(races) > 1:
        rows |= {race: [(name, groups["race_gender"].get(f"{race} {name}")) for name in CLASSES] for race in races}
    cells = {name: "   ".join(f"{gender} {_cell(row)}" for gender, row in pair if row) for name, pair in rows.items()}
    lines = [f"          {name:>15}  {cell}".rstrip() for name, cell in cells.items() if cell]
    return ["  groups  as labelled, by appearance", *lines] if lines else []


def _cell(row: dict[str, Any]) -> str:
    # The MAE is of exact ages alone; beside the number of all faces it may stand only if all ages are exact.
    key, word = ("mae", "MAE") if row.get("n_exact") == row.get("n_age") else ("distance", "off")
    shown = [f"{word} {row[key]:5.2f}"] if row.get(key) is not None else []
    shown += [f"gender {row['gender_accuracy']:6.1%}"] if row.get("gender_accuracy") is not None else []
    return " ".join([*shown, f"n={row['n']:<5}"])


def _gender_lines(gender: dict[str, Any], guess: dict[str, Any], in_detail: bool) -> list[str]:
    if gender["accuracy"] is None:
        return ["  gender  no labelled faces"]
    low, high = gender["accuracy_ci95"]
    against = f"; guessing the majority: {guess['accuracy']:.1%}" if guess.get("accuracy") is not None else ""
    lines = [f"  gender  accuracy {gender['accuracy']:.1%} [95% {low:.1%}, {high:.1%}]  (n={gender['n']}{against})"]
    for name, row in gender.get("by_class", {}).items() if in_detail else ():
        share = {key: "-" if row[key] is None else f"{row[key]:.1%}" for key in ("precision", "recall", "f1")}
        lines.append(
            f"          {name:>8}  precision {share['precision']}  recall {share['recall']}  F1 {share['f1']}  n={row['n']}"
        )
    sensitivity, specificity = gender.get("sensitivity"), gender.get("specificity")
    if in_detail and sensitivity is not None and specificity is not None:
        lines.append(f"          sensitivity {sensitivity:.1%}  specificity {specificity:.1%}  (positive: female)")
    return lines
