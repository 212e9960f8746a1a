"""The list of metrics: every entry can be computed, keys are unique, and reading the list imports nothing heavy."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from agegender.metrics.measure import function, measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import BY_KEY, METRICS, NEEDS, monitors, shown

FACES = Predictions(
    np.array([20.0, 30.0, 3.0]), np.array([20.0, 30.0, 9.0]), np.array([0, 1, 1]),
    np.array([21.0, 28.0, 11.0]), np.array([0.1, 0.9, 0.4]), (0, 26), np.array([1.0, 2.0, 4.0]),
)  # fmt: skip


def test_keys_are_unique_and_begin_with_their_task() -> None:
    assert len(BY_KEY) == len(METRICS)
    assert all(metric.key.startswith(f"{metric.needs.task}_") for metric in METRICS if metric.needs)


def test_every_function_exists_and_gives_what_its_entry_says() -> None:
    for need in NEEDS:
        assert function(need.labelled)(FACES).dtype == bool
    for metric in METRICS:
        assert not (metric.per_face and metric.overall)
        if metric.per_face:
            values = function(metric.per_face)(FACES)
            assert values.shape == (3,), metric.key
            assert metric.unit != "share" or values.dtype == bool, metric.key
        if metric.repeats:
            assert metric.repeats in BY_KEY


def test_shares_are_between_0_and_1() -> None:
    values = measure(FACES)
    assert all(0 <= values[key] <= 1 for key in values if BY_KEY[key].unit == "share" and values[key] is not None)


def test_a_metric_that_equals_another_for_exact_ages_does_equal_it() -> None:
    values = measure(FACES[np.array([0, 1])])
    for metric in METRICS:
        if metric.repeats:
            assert values[metric.key] == values[metric.repeats]


def test_levels_include_the_higher_ones() -> None:
    levels = [[metric.key for metric in shown(level)] for level in ("file", "summary", "table", "headline")]
    assert levels[0] == list(BY_KEY)
    assert all(set(more) > set(less) for more, less in pairwise(levels))
    assert {"age_mae", "age_distance", "age_class_accuracy", "gender_accuracy"} <= set(levels[3])


AGE = {"age_loss", "age_mae", "age_distance", "age_rmse"}


@pytest.mark.parametrize(
    ("tasks", "classes", "allowed", "refused"),
    [
        (["age"], False, AGE | {"loss"}, {"age_class_error", "gender_error", "gender_loss"}),
        (["age"], True, AGE | {"loss", "age_class_error"}, {"age_class_accuracy", "age_cs5", "gender_error"}),
        (["gender"], False, {"loss", "gender_loss", "gender_error"}, AGE | {"gender_accuracy", "latency_ms"}),
    ],
)
def test_a_monitor_is_measured_each_epoch_and_better_when_smaller(
    tasks: list[str], classes: bool, allowed: set[str], refused: set[str]
) -> None:
    found = set(monitors(tasks, classes))
    assert allowed <= found and not refused & found
    assert all(BY_KEY[key].each_epoch and BY_KEY[key].better == "smaller" for key in found)


def test_the_list_is_read_without_numpy() -> None:
    code = "import sys, agegender.metrics.registry; print({'numpy', 'pandas', 'torch'} & set(sys.modules))"
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout == "set()\n"
