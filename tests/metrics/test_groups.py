"""Figures of groups against the figures of all faces, taken group by group."""

import json

import numpy as np
import pytest

from agegender.metrics.age import age_metrics
from agegender.metrics.gender import gender_metrics
from agegender.metrics.groups import group_figures
from agegender.metrics.ranges import range_metrics


def test_each_group_has_the_figures_it_would_have_alone() -> None:
    rng = np.random.default_rng(0)
    group = rng.choice(["b", "a", None], 400)
    low = rng.integers(0, 80, 400).astype(float)
    high = low + np.where(rng.random(400) < 0.5, 0, 5)
    low[:50] = high[:50] = np.nan
    pred, female, gender = rng.uniform(0, 90, 400), rng.random(400), rng.integers(-1, 2, 400)
    figures = group_figures(group, pred, low, high, female, gender)
    assert list(figures) == ["a", "b"]
    for name, row in figures.items():
        mine = group == name
        age = age_metrics(pred[mine], low[mine], high[mine], seed=0)
        assert row == pytest.approx(
            {
                "n": mine.sum(),
                "n_age": age["n"],
                "n_exact": age["n_exact"],
                "mae": age["mae"],
                "distance": age["distance"],
                "range_accuracy": range_metrics(pred[mine], low[mine], high[mine], seed=0)["accuracy"],
                "gender_accuracy": gender_metrics(female[mine], gender[mine], seed=0)["accuracy"],
            }
        )
    json.dumps(figures, allow_nan=False)


def test_what_is_not_a_task_or_not_labelled() -> None:
    figures = group_figures(["a", "b"], [30.0, 50.0], [np.nan, 40.0], [np.nan, 49.0], None, [-1, 1])
    assert figures["a"] == {"n": 1, "n_age": 0, "n_exact": 0, "mae": None, "distance": None, "range_accuracy": None}
    assert figures["b"] == {"n": 1, "n_age": 1, "n_exact": 0, "mae": None, "distance": 1.0, "range_accuracy": 0.0}
    assert group_figures(["a"], None, [30.0], [30.0], [0.7], [-1]) == {"a": {"n": 1, "gender_accuracy": None}}
    assert group_figures([None, None], None, [30.0] * 2, [30.0] * 2, [0.7] * 2, [1, 1]) == {}
