"""Metrics of gender against scikit-learn, also where they are undefined."""

import json

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
)

from agegender.metrics.gender import CLASSES, confusion
from agegender.metrics.measure import measure
from agegender.metrics.predictions import Predictions


def predictions(female, gender):
    unknown = np.full(len(gender), np.nan)
    return Predictions(unknown, unknown, np.asarray(gender, dtype=np.int64), None, np.asarray(female, dtype=float))


def assert_equal_to_scikit_learn(values, pred, gender):
    assert values["gender_accuracy"] == pytest.approx(accuracy_score(gender, pred))
    assert values["gender_error"] == pytest.approx(1 - accuracy_score(gender, pred))
    reference = precision_recall_fscore_support(gender, pred, labels=[0, 1], zero_division=np.nan)
    for name, of_classes in zip(("precision", "recall", "f1"), reference, strict=False):
        found = (*(values[f"gender_{name}_{label}"] for label in CLASSES), values[f"gender_{name}"])
        for mine, value in zip(found, (*of_classes, of_classes.mean()), strict=True):
            assert mine == (None if np.isnan(value) else pytest.approx(value)), name


def test_metrics_equal_scikit_learn():
    random = np.random.default_rng(0)
    gender = random.integers(0, 2, 400)
    female = np.clip(gender * 0.3 + random.random(400) * 0.7, 0, 1)
    values = measure(predictions(female, gender))
    assert_equal_to_scikit_learn(values, female > 0.5, gender)
    assert 0.5 < values["gender_accuracy"] < 1
    assert values["gender_recall_female"] == pytest.approx(recall_score(gender, female > 0.5))
    assert values["gender_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(gender, female > 0.5))
    assert values["gender_sensitivity"] == pytest.approx(recall_score(gender, female > 0.5))
    assert values["gender_specificity"] == pytest.approx(recall_score(gender, female > 0.5, pos_label=0))
    assert values["gender_auc"] == pytest.approx(roc_auc_score(gender, female))
    assert confusion(predictions(female, gender)).tolist() == confusion_matrix(gender, female > 0.5).tolist()


@pytest.mark.parametrize("gender", [[0, 0, 0], [1, 1, 1], [0, 1, 1]])
@pytest.mark.parametrize("pred", [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]])
def test_degenerate_cases_equal_scikit_learn_with_none_for_undefined(pred, gender):
    values = measure(predictions(pred, gender))
    assert_equal_to_scikit_learn(values, pred, gender)
    json.dumps(values, allow_nan=False)


def test_rows_of_the_confusion_are_labels():
    assert confusion(predictions([1, 1, 0], [0, 0, 0])).tolist() == [[1, 2], [0, 0]]


def test_unknown_gender_is_left_out_and_one_half_is_male():
    assert measure(predictions([0.9, 0.5, 0.2, np.nan], [1, 0, -1, -1]))["gender_accuracy"] == 1
