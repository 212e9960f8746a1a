"""Metrics of age ranges against scikit-learn and against a slow search for the nearest range."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from agegender.metrics.measure import counts, measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.ranges import NINE, confusion, names, range_of, ranges_of_labels
from agegender.sources.fairface import AGES

ENDS = [(low, high if math.isfinite(high) else 999) for low, high in AGES.values()]


def nearest(age: float) -> int:
    """The range that is least far away; of two equally far ones the older."""
    return min(range(9), key=lambda i: (max(ENDS[i][0] - age, age - ENDS[i][1], 0), -i))


def faces(number: int = 800, classes: tuple[float, ...] = ()) -> tuple[Predictions, np.ndarray]:
    """Faces with range labels, and the index of the range of each."""
    rng = np.random.default_rng(0)
    label = rng.choice(9, number, p=[0.02, 0.1, 0.1, 0.3, 0.2, 0.1, 0.1, 0.05, 0.03])
    low, high = np.array(ENDS, dtype=float)[label].T
    high = np.minimum(high, 116)
    pred = (low + high) / 2 + rng.normal(0, 9, number)
    return Predictions(low, high, np.full(number, -1), pred, None, classes), label


def exact(age: list[float], pred: list[float]) -> Predictions:
    return Predictions(np.array(age), np.array(age), np.full(len(age), -1), np.array(pred))


def test_the_ranges_are_those_of_fairface() -> None:
    assert [name.replace("70+", "more than 70") for name in names(NINE)] == list(AGES)
    assert names([0, 26, 51, 76]) == ["0-25", "26-50", "51-75", "76+"]


def test_an_age_is_in_the_nearest_range() -> None:
    ages = np.arange(-5, 130, 0.25)
    assert range_of(ages).tolist() == [nearest(age) for age in ages]


def test_a_label_counts_if_it_lies_in_one_range() -> None:
    labels = {(0, 2): 0, (3, 9): 1, (70, 116): 8, (25, 32): -1, (33, 33): 4, (33.4, 33.4): 4, (0, 116): -1, (61, 62): 7}
    low, high = zip(*labels, strict=True)
    assert ranges_of_labels(low, high).tolist() == list(labels.values())
    assert ranges_of_labels([np.nan], [np.nan]).tolist() == [-1]


def test_metrics_equal_scikit_learn() -> None:
    some, label = faces()
    said = np.array([nearest(age) for age in some.age])
    values = measure(some)
    assert values["age_range_accuracy"] == pytest.approx(accuracy_score(label, said))
    assert values["age_range_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label, said))
    one_off = np.mean([abs(a - b) <= 1 for a, b in zip(label, said, strict=True)])
    assert values["age_range_one_off"] == pytest.approx(one_off)
    assert confusion(some, NINE).tolist() == confusion_matrix(label, said, labels=range(9)).tolist()
    assert counts(some)["n_age_range"] == 800


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_ranges_that_do_not_occur_do_not_count_and_unknown_labels_are_left_out() -> None:
    some, label = faces(300)
    kept = np.isin(label, (1, 4, 8))
    some.age_low[~kept] = some.age_high[~kept] = np.nan
    said = [nearest(age) for age in some.age[kept]]
    assert counts(some)["n_age_range"] == kept.sum()
    assert measure(some)["age_range_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label[kept], said))


def test_exact_ages_count_too() -> None:
    values = measure(exact([38.0, 12.0, 16.0], [31.0, 8.0, 15.0]))
    assert (values["age_range_accuracy"], values["age_range_one_off"]) == (pytest.approx(2 / 3), 1)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_the_classes_of_a_head_take_the_place_of_the_nine() -> None:
    starts = (0, 26, 51, 76)
    some, _ = faces(classes=starts)
    by_hand = lambda age: sum(age >= start - 0.5 for start in starts[1:])
    known = [by_hand(one) == by_hand(other) for one, other in zip(some.age_low, some.age_high, strict=True)]
    label, said = [by_hand(age) for age in some.age_low[known]], [by_hand(age) for age in some.age[known]]
    values = measure(some)
    assert counts(some)["n_age_class"] == len(label) < 800
    assert 0.5 < values["age_class_accuracy"] < 1
    assert values["age_class_accuracy"] == pytest.approx(accuracy_score(label, said))
    assert values["age_class_error"] == pytest.approx(1 - accuracy_score(label, said))
    assert values["age_class_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label, said))
    assert confusion(some[np.array(known)], starts).tolist() == confusion_matrix(label, said, labels=range(4)).tolist()
