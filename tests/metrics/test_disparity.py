"""Gaps between groups, their tests, and which groups are ranked; values against fairlearn."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from scipy.stats import ttest_ind
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, mean_absolute_error, recall_score, roc_auc_score

from agegender.metrics.disparity import FEWEST, disparities
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import BY_KEY, METRICS
from agegender.metrics.resampling import Draws, MetricTable


def table(error: np.ndarray, keys: tuple[str, ...] = ("age_mae", "age_bias", "age_median_error")) -> MetricTable:
    age = np.full(len(error), 40.0)
    return MetricTable(Predictions(age, age, np.full(len(error), -1), age + error), [BY_KEY[key] for key in keys])


def cells(*sizes: int) -> list[np.ndarray]:
    ends = np.cumsum([0, *sizes])
    return [np.arange(first, last) for first, last in pairwise(ends)]


def test_values_by_group_equal_those_of_fairlearn() -> None:
    rng = np.random.default_rng(0)
    n, race, sex = 600, rng.choice(["x", "y", "z"], 600), rng.integers(0, 2, 600)
    age = rng.integers(1, 90, n).astype(float)
    gender, female = rng.integers(0, 2, n), rng.random(n)
    pred = age + rng.normal(0, 6, n)
    features = pd.DataFrame({"race": race, "sex": sex})
    by_group = features.groupby(["race", "sex"]).indices
    names = sorted(by_group)
    some = MetricTable(Predictions(age, age, gender, pred, female), METRICS)
    found = disparities(some, [by_group[name] for name in names], Draws(np.arange(n), 100), minimum=30)
    column = {metric.key: number for number, metric in enumerate(some.metrics)}
    of_age = MetricFrame(metrics=mean_absolute_error, y_true=age, y_pred=pred, sensitive_features=features)
    labels = {
        "gender_accuracy": accuracy_score,
        "gender_balanced_accuracy": balanced_accuracy_score,
        "gender_sensitivity": recall_score,
        "gender_f1_female": f1_score,
    }
    of_gender = MetricFrame(metrics=labels, y_true=gender, y_pred=(female > 0.5).astype(int), sensitive_features=features)
    of_scores = MetricFrame(metrics=roc_auc_score, y_true=gender, y_pred=female, sensitive_features=features)
    assert found.values[:, column["age_mae"]].tolist() == pytest.approx(of_age.by_group.loc[names].tolist())
    assert found.values[:, column["gender_auc"]].tolist() == pytest.approx(of_scores.by_group.loc[names].tolist())
    for key in labels:
        assert found.values[:, column[key]].tolist() == pytest.approx(of_gender.by_group[key].loc[names].tolist())
    # the gap of the worst group is fairlearn's difference between groups
    assert np.nanmax(found.gaps[:, column["age_mae"]]) == pytest.approx(of_age.difference("between_groups"))
    assert np.nanmax(found.gaps[:, column["gender_accuracy"]]) == pytest.approx(
        of_gender.difference("between_groups")["gender_accuracy"]
    )


def test_best_worst_and_gap_follow_the_direction_of_the_metric() -> None:
    error = np.concatenate([np.tile([2.0, -2.0], 20), np.full(40, -5.0), np.full(40, 3.0)])
    found = disparities(table(error), cells(40, 40, 40), Draws(np.arange(120), 200), minimum=30)
    assert (found.best.tolist(), found.worst.tolist()) == ([0, 0, 0], [1, 1, 1])
    assert found.values[:, 1].tolist() == [0, -5, 3]
    assert found.gaps.tolist() == [[0, 0, 0], [3, 5, 3], [1, 3, 1]]  # a bias of -5 is worse than one of 3
    assert found.gap_intervals[0, 0].tolist() == [0, 0]


def test_small_groups_are_measured_but_not_ranked() -> None:
    error = np.concatenate([np.full(40, 1.0), np.full(40, 2.0), np.full(29, 50.0), np.full(FEWEST - 1, 90.0), [0.0]])
    found = disparities(
        table(error, ("age_mae",)), cells(40, 40, 29, FEWEST - 1, 1), Draws(np.arange(len(error)), 50), minimum=30
    )
    assert found.values[:, 0].tolist() == [1, 2, 50, 90, 0] and found.numbers[:, 0].tolist() == [40, 40, 29, FEWEST - 1, 1]
    assert found.ranked[:, 0].tolist() == [True, True, False, False, False]
    assert (found.best[0], found.worst[0]) == (0, 1)
    assert np.isnan(found.intervals[:, 0, 0]).tolist() == [False, False, False, True, True]
    assert np.isnan(found.gaps[2:]).all() and np.isnan(found.p_values[2:]).all() and not np.isnan(found.p_values[:2]).any()


def test_a_single_large_group_is_not_ranked() -> None:
    found = disparities(table(np.ones(45), ("age_mae",)), cells(40, 5), Draws(np.arange(45), 50), minimum=30)
    assert not found.ranked.any() and found.best.tolist() == found.worst.tolist() == [-1]
    assert np.isnan(found.gaps).all() and np.isnan(found.p_values).all() and not np.isnan(found.values).any()


def test_p_values_are_about_those_of_welchs_test() -> None:
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.6, 3.0):
        error = np.concatenate([rng.normal(0, 3, 200), rng.normal(shift, 3, 150)])
        found = disparities(table(error, ("age_bias",)), cells(200, 150), Draws(np.arange(350), 2000), minimum=30)
        expected = ttest_ind(error[:200], error[200:], equal_var=False).pvalue
        assert found.p_values[0, 0] == pytest.approx(found.p_values[1, 0], rel=0.3, abs=0.01)
        assert np.log10(found.p_values[0, 0]) == pytest.approx(np.log10(expected), rel=0.15, abs=0.15)


def test_equal_groups_are_rarely_found_different() -> None:
    rng, found = np.random.default_rng(0), 0
    for seed in range(200):
        error = rng.normal(0, 3, 120)
        found += (
            disparities(table(error, ("age_bias",)), cells(60, 60), Draws(np.arange(120), 300, seed), 30).p_values[0, 0] < 0.05
        )
    assert found / 200 <= 0.1


def test_without_faces_or_metrics_that_vary_nothing_fails() -> None:
    found = disparities(table(np.zeros(80), ("age_mae",)), cells(40, 40), Draws(np.arange(80), 50), 30)
    assert found.p_values.tolist() == [[1], [1]] and found.gaps.tolist() == [[0], [0]]
    none = disparities(table(np.zeros(10), ("age_mae",)), [], Draws(np.arange(10), 50), 30)
    assert none.values.shape == (0, 1) and none.best.tolist() == [-1]


def test_ten_thousand_groups_are_measured_one_by_one() -> None:
    error = np.random.default_rng(0).normal(0, 4, 20_000)
    found = disparities(table(error), cells(*[2] * 10_000), Draws(np.arange(20_000), 100), 30)
    assert found.values[:, 1].tolist() == pytest.approx(error.reshape(-1, 2).mean(axis=1).tolist())
    assert not found.ranked.any() and np.isnan(found.intervals).all()
