"""Metrics of groups against the metrics of the same faces alone."""

import json

import numpy as np

from agegender.metrics.groups import by_decade, by_group
from agegender.metrics.measure import counts, measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import shown


def test_each_group_has_the_metrics_it_would_have_alone() -> None:
    rng = np.random.default_rng(0)
    group = rng.choice(["b", "a", None], 400)
    low = rng.integers(0, 80, 400).astype(float)
    high = low + np.where(rng.random(400) < 0.5, 0, 5)
    low[:50] = high[:50] = np.nan
    faces = Predictions(low, high, rng.integers(-1, 2, 400), rng.uniform(0, 90, 400), rng.random(400))
    found = by_group(faces, list(group))
    assert list(found) == ["a", "b"]
    for name, row in found.items():
        mine = faces[group == name]
        assert row == {**counts(mine), **measure(mine, shown("summary"))}
    assert {"n", "n_gender", "age_mae", "age_distance", "age_range_accuracy", "gender_accuracy"} <= set(found["a"])
    json.dumps(found, allow_nan=False)


def test_a_group_without_labels_has_no_values() -> None:
    faces = Predictions(np.array([np.nan, 40.0]), np.array([np.nan, 49.0]), np.array([-1, 1]), np.array([30.0, 50.0]))
    found = by_group(faces, ["a", "b"])
    assert (found["a"]["age_mae"], found["a"]["age_distance"], found["a"]["n_age"]) == (None, None, 0)
    assert (found["b"]["age_mae"], found["b"]["age_distance"], found["b"]["n_age"]) == (None, 1.0, 1)
    assert by_group(faces, [None, None]) == {}


def test_decades_are_those_of_exact_ages_youngest_first() -> None:
    age = np.array([116.0, 0.0, 9.0, 10.0, 19.9, 20.0])
    high = np.array([116.0, 0.0, 9.0, 10.0, 19.9, 29.0])
    found = by_decade(Predictions(age, high, np.full(6, -1), np.array([118.0, 3.0, 8.0, 12.0, 30.0, 0.0])))
    rows = {decade: (row["n"], round(row["age_mae"], 3), round(row["age_bias"], 3)) for decade, row in found.items()}
    assert list(rows.items()) == [("0-9", (2, 2.0, 1.0)), ("10-19", (2, 6.05, 6.05)), ("110-119", (1, 2.0, 2.0))]
