"""From a table of predictions to the content of ``metrics.json``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from agegender.evaluation.groupings import Grouping, by_decade
from agegender.evaluation.measured_faces import MeasuredFaces, predictions_of
from agegender.evaluation.numbers import interval, plain
from agegender.metrics.age import absolute_error, error, exact
from agegender.metrics.baseline import constant, majority_gender, median_age
from agegender.metrics.confusions import confusions
from agegender.metrics.disparity import Disparities
from agegender.metrics.measure import counts, measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import METRICS, shown
from agegender.metrics.resampling import RESAMPLES, MetricTable

IN_METRICS = ("age_decade", "gender", "race", "race_gender", "age_band")  # other kinds of groups are in groups.csv only


def split_metrics(faces: pd.DataFrame, seed: int, classes: Sequence[float] = (), resamples: int = RESAMPLES) -> dict[str, Any]:
    """All metrics of one split.

    Args:
        faces: A face table with, as far as the model has the task, ``age_pred`` in years and ``probability_female`` in 0..1.
        seed: Of the bootstrap.
        classes: First year of each age class of the head; empty if it has none.
        resamples: Number of bootstrap resamples.

    Returns:
        What ``metrics_of`` returns; and, if the faces are of several datasets, ``by_dataset``, the same for each of them.

    Raises:
        AgeGenderError: A prediction for a labelled face is not finite or not in 0..1.
    """
    tested = MeasuredFaces.of(faces, classes, seed, resamples)
    return metrics_of(tested, MetricTable(tested.predictions, METRICS)) | by_dataset(tested, seed)


def by_dataset(tested: MeasuredFaces, seed: int) -> dict[str, Any]:
    """``by_dataset``, the metrics of each dataset; empty if the faces are of one dataset."""
    datasets = tested.frame.groupby("dataset", sort=False)
    if len(datasets) < 2:
        return {}
    classes, resamples = tested.predictions.classes, tested.draws.resamples
    return {"by_dataset": {str(name): split_metrics(own, seed, classes, resamples) for name, own in datasets}}


def metrics_of(tested: MeasuredFaces, table: MetricTable) -> dict[str, Any]:
    """All metrics of some faces.

    Args:
        tested: The faces.
        table: All metrics of the same faces.

    Returns:
        ``n`` faces and ``n_LABEL`` of them with each kind of label; every metric of the registry by key, and ``KEY_ci95``, its
        95% interval; ``confusions``; ``by_age``, the errors at each exact age; ``by_group``, the metrics of the summary for
        each ``age_decade``, ``age_band``, ``gender``, ``race`` and ``race_gender`` as labelled.
    """
    faces, draws = tested.predictions, tested.draws
    every = [np.arange(len(faces))]
    values = table.values(every)
    ends = table.intervals(every, values, table.drawn(every, draws), draws)
    result: dict[str, Any] = counts(faces)
    for number, metric in enumerate(table.metrics):
        result |= {metric.key: plain(values[0, number]), f"{metric.key}_ci95": interval(ends[0, number])}
    return result | {"confusions": confusions(faces), "by_age": _by_age(faces), "by_group": by_group(tested)}


def _by_age(faces: Predictions) -> list[dict[str, Any]]:
    """The mean prediction and the errors of faces with each exact age, youngest first."""
    if faces.age is None:
        return []
    some = faces[exact(faces)]
    rows = pd.DataFrame({"age": some.age_low, "predicted": some.age, "bias": error(some), "mae": absolute_error(some)})
    means = rows.groupby("age").mean()
    means.insert(0, "n", rows.groupby("age").size())
    return [{"age": age, **row} for age, row in zip(means.index.tolist(), means.to_dict("records"), strict=True)]


def by_group(tested: MeasuredFaces) -> dict[str, Any]:
    """The metrics of the summary for each group, by age, and by gender and race as labelled."""
    faces = tested.predictions
    table = MetricTable(faces, shown("summary"))
    keys = [metric.key for metric in table.metrics]
    groupings = {one.kind: one for one in (by_decade(faces), *tested.groupings)}
    found: dict[str, Any] = {}
    for kind in IN_METRICS:
        if faces.age is None and kind.startswith("age"):
            continue
        one = groupings[kind]
        rows = zip(one.names, one.cells, table.values(one.cells), strict=True)
        found[kind] = {name: counts(faces[cell]) | dict(zip(keys, plain(row), strict=True)) for name, cell, row in rows}
    return found


def with_intervals(groups: dict[str, Any], measured: Mapping[str, tuple[Grouping, Disparities]], table: MetricTable) -> None:
    """Adds ``KEY_ci95``, the 95% interval of each metric, to the groups of ``by_group``.

    Args:
        groups: What ``by_group`` returned.
        measured: Groups with intervals by kind.
        table: The metrics that were measured.
    """
    for kind, rows in groups.items():
        if kind not in measured:
            continue
        grouping, found = measured[kind]
        for name, ends in zip(grouping.names, found.intervals, strict=True):
            own = {f"{metric.key}_ci95": interval(ends[number]) for number, metric in enumerate(table.metrics)}
            rows[name] |= {key: value for key, value in own.items() if key.removesuffix("_ci95") in rows[name]}


def baseline(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """Metrics of predicting the median age and the majority gender of the training split for every test face.

    Args:
        train: Face table of the training split.
        test: Face table of the tested split.

    Returns:
        ``guess``: ``age`` in years and ``gender`` (0 = male, 1 = female), None without such training labels; the
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
