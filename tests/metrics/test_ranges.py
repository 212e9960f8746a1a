"""Nine-range figures against scikit-learn and against a slow search for the nearest range."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from agegender.errors import AgeGenderError
from agegender.metrics.ranges import RANGES, range_metrics, range_of, ranges_of_labels
from agegender.sources.fairface import AGES

ENDS = [(low, high if math.isfinite(high) else 999) for low, high in AGES.values()]


def nearest(age: float) -> int:
    """The range that is least far away; of two equally far ones the older."""
    return min(range(9), key=lambda i: (max(ENDS[i][0] - age, age - ENDS[i][1], 0), -i))


def faces(number: int = 800, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.choice(9, number, p=[0.02, 0.1, 0.1, 0.3, 0.2, 0.1, 0.1, 0.05, 0.03])
    low, high = np.array(ENDS, dtype=float)[label].T
    high = np.minimum(high, 116)
    return (low + high) / 2 + rng.normal(0, 9, number), low, high, label


def test_the_ranges_are_those_of_fairface() -> None:
    assert [name.replace("70+", "more than 70") for name in RANGES] == list(AGES)


def test_an_age_is_in_the_nearest_range() -> None:
    ages = np.arange(-5, 130, 0.25)
    assert range_of(ages).tolist() == [nearest(age) for age in ages]


def test_a_label_counts_if_it_lies_in_one_range() -> None:
    labels = {(0, 2): 0, (3, 9): 1, (70, 116): 8, (25, 32): -1, (33, 33): 4, (33.4, 33.4): 4, (0, 116): -1, (61, 62): 7}
    low, high = zip(*labels, strict=True)
    assert ranges_of_labels(low, high).tolist() == list(labels.values())
    assert ranges_of_labels([np.nan], [np.nan]).tolist() == [-1]


def test_figures_equal_scikit_learn() -> None:
    pred, low, high, label = faces()
    said = np.array([nearest(age) for age in pred])
    figures = range_metrics(pred, low, high, seed=0)
    assert figures["accuracy"] == pytest.approx(accuracy_score(label, said))
    assert figures["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label, said))
    assert figures["one_off"] == pytest.approx(np.mean([abs(a - b) <= 1 for a, b in zip(label, said, strict=True)]))
    assert figures["confusion"] == confusion_matrix(label, said, labels=range(9)).tolist()
    assert figures["accuracy_ci95"][0] < figures["accuracy"] < figures["accuracy_ci95"][1]
    assert figures["n"] == 800 and json.loads(json.dumps(figures, allow_nan=False)) == figures


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_ranges_that_do_not_occur_do_not_count_and_unknown_labels_are_left_out() -> None:
    pred, low, high, label = faces(300)
    kept = np.isin(label, (1, 4, 8))
    low[~kept] = high[~kept] = np.nan
    pred[np.flatnonzero(~kept)[:3]] = np.nan  # nobody asks for these
    figures = range_metrics(pred, low, high, seed=0)
    said = [nearest(age) for age in pred[kept]]
    assert figures["n"] == kept.sum()
    assert figures["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label[kept], said))


def test_exact_ages_count_too() -> None:
    figures = range_metrics([31.0, 8.0, 15.0], [38.0, 12.0, 16.0], [38.0, 12.0, 16.0], seed=0)
    assert (figures["n"], figures["accuracy"], figures["one_off"]) == (3, pytest.approx(2 / 3), 1)


def test_nothing_to_measure_and_diverged_training() -> None:
    nothing = range_metrics([30.0, 40.0], [np.nan, 20.0], [np.nan, 40.0], seed=0)
    assert nothing.pop("confusion") == np.zeros((9, 9)).tolist()
    assert nothing == {"n": 0, **dict.fromkeys(("accuracy", "accuracy_ci95", "balanced_accuracy", "one_off"))}
    with pytest.raises(AgeGenderError, match="1 of 2 predicted ages are not finite"):
        range_metrics([30.0, np.nan], [31.0, 40.0], [31.0, 49.0], seed=0)


def test_any_classes_take_the_place_of_the_nine() -> None:
    pred, low, high, _ = faces()
    starts = [0, 26, 51, 76]
    by_hand = lambda age: sum(age >= start - 0.5 for start in starts[1:])
    known = [by_hand(one) == by_hand(other) for one, other in zip(low, high, strict=True)]
    label, said = [by_hand(age) for age in low[known]], [by_hand(age) for age in pred[known]]
    figures = range_metrics(pred, low, high, seed=0, starts=starts)
    assert figures["n"] == len(label) and 0.5 < figures["accuracy"] < 1
    assert figures["accuracy"] == pytest.approx(accuracy_score(label, said))
    assert figures["confusion"] == confusion_matrix(label, said, labels=range(4)).tolist()
