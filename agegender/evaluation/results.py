"""From a table of predictions to the content of ``metrics.json``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agegender.metrics.baseline import constant, majority_gender, median_age
from agegender.metrics.confusions import confusions
from agegender.metrics.gender import CLASSES
from agegender.metrics.groups import by_decade, by_group
from agegender.metrics.measure import counts, intervals, measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import shown

SCHEMA = 2  # of metrics.json; an earlier one is read by agegender.metrics.schema_1


def split_metrics(faces: pd.DataFrame, seed: int, classes: Sequence[int] = ()) -> dict[str, Any]:
    """All metrics of one split.

    Args:
        faces: Face table columns and, as far as the model has the task, ``age_pred`` in years and ``probability_female`` in
            0..1.
        seed: Of the bootstrap.
        classes: First year of each age class of the head; empty if it has none.

    Returns:
        ``n`` faces and ``n_LABEL`` of them with each kind of label; every metric of the registry by key, and ``KEY_ci95``, its
        95% interval, if it is a mean over faces and part of the summary; ``confusions``; ``by_group``, the metrics of the
        summary for each ``age_decade``, ``gender``, ``race`` and ``race_gender`` as labelled; and, if the faces are of several
        data sets, ``by_dataset``, all of this for each of them.

    Raises:
        AgeGenderError: A prediction for a labelled face is not finite or not in 0..1.
    """
    predictions = predictions_of(faces, classes)
    predictions.require_valid()
    found = intervals(predictions, shown("summary"), seed, groups_of(faces))
    result: dict[str, Any] = counts(predictions)
    for key, value in measure(predictions).items():
        result[key] = value
        if f"{key}_ci95" in found:
            result[f"{key}_ci95"] = found[f"{key}_ci95"]
    result["confusions"] = confusions(predictions)
    result["by_group"] = _by_group(faces, predictions)
    datasets = faces.groupby("dataset", sort=False)
    if len(datasets) > 1:
        result["by_dataset"] = {name: split_metrics(own, seed, classes) for name, own in datasets}
    return result


def predictions_of(faces: pd.DataFrame, classes: Sequence[float] = ()) -> Predictions:
    """The labels and predictions of a table as arrays."""
    age, female = (faces[name].to_numpy(float) if name in faces else None for name in ("age_pred", "probability_female"))
    low, high = (faces[name].to_numpy(float) for name in ("age_low", "age_high"))
    gender = faces["gender"].fillna(-1).to_numpy(np.int64)
    return Predictions(low, high, gender, age, female, tuple(classes))


def _by_group(faces: pd.DataFrame, predictions: Predictions) -> dict[str, Any]:
    """By age, and by gender and race as labelled; a race is called as its data set calls it."""
    gender = faces["gender"].map(dict(enumerate(CLASSES))).astype("string")
    groups = {"gender": gender, "race": faces["race"], "race_gender": faces["race"] + " " + gender}
    named = {kind: [None if pd.isna(name) else str(name) for name in group] for kind, group in groups.items()}
    ages = {"age_decade": by_decade(predictions)} if predictions.age is not None else {}
    return ages | {kind: by_group(predictions, names) for kind, names in named.items()}


def baseline(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """Metrics of predicting the median age and the majority gender of the training split for every test face.

    Returns:
        ``guess``, the predicted ``age`` in years and ``gender`` (0 = male, 1 = female), None without such training labels; the
        metrics of the tables by key; and, if the test faces are of several data sets, ``by_dataset`` with the same guess.
    """
    learned = predictions_of(train)
    age, gender = median_age(learned), majority_gender(learned)

    def measured(faces: pd.DataFrame) -> dict[str, Any]:
        guesses = constant(age, gender, predictions_of(faces))
        return {"guess": {"age": age, "gender": gender}, **measure(guesses, shown("table"))}

    result = measured(test)
    datasets = test.groupby("dataset", sort=False)
    if len(datasets) > 1:
        result["by_dataset"] = {name: measured(own) for name, own in datasets}
    return result


def groups_of(faces: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each face, [N]: faces that ``group`` ties together (copies, one person) share it."""
    if "group" not in faces:
        return np.arange(len(faces))
    names = faces["group"].fillna("").astype(str)
    alone = pd.Series([f"\0{row}" for row in range(len(faces))], index=faces.index)
    return pd.factorize(names.where(names != "", alone))[0].astype(np.int64)
