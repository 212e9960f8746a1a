import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, recall_score

from agegender.errors import AgeGenderError
from agegender.metrics.gender import confusion, gender_metrics


def assert_equal_to_scikit_learn(figures, pred, gender):
    assert figures["n"] == len(gender)
    assert figures["accuracy"] == pytest.approx(accuracy_score(gender, pred))
    assert figures["confusion"] == confusion_matrix(gender, pred, labels=[0, 1]).tolist()
    reference = precision_recall_fscore_support(gender, pred, labels=[0, 1], zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1"), reference, strict=False):
        macro = values.mean()  # NaN if a class has none
        found = (*(figures["by_class"][label][name] for label in ("male", "female")), figures[name])
        for mine, value in zip(found, (*values, macro), strict=True):
            assert mine == (None if np.isnan(value) else pytest.approx(value)), name
    for name, positive in ("sensitivity", 1), ("specificity", 0):  # of female
        value = recall_score(gender, pred, pos_label=positive, zero_division=np.nan)
        assert figures[name] == (None if np.isnan(value) else pytest.approx(value)), name
    assert [row["n"] for row in figures["by_class"].values()] == list(np.bincount(gender, minlength=2))


def test_figures_equal_scikit_learn():
    random = np.random.default_rng(0)
    gender = random.integers(0, 2, 400)
    probability = np.clip(gender * 0.3 + random.random(400) * 0.7, 0, 1)
    figures = gender_metrics(probability, gender, seed=0)
    assert_equal_to_scikit_learn(figures, probability > 0.5, gender)
    assert 0.5 < figures["accuracy"] < 1
    assert figures["accuracy_ci95"][0] < figures["accuracy"] < figures["accuracy_ci95"][1]


@pytest.mark.parametrize("gender", [[0, 0, 0], [1, 1, 1], [0, 1, 1]])
@pytest.mark.parametrize("pred", [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]])
def test_degenerate_cases_equal_scikit_learn_with_none_for_undefined(pred, gender):
    figures = gender_metrics(np.array(pred, dtype=float), gender, seed=0)
    assert_equal_to_scikit_learn(figures, pred, gender)
    json.dumps(figures, allow_nan=False)


def test_rows_of_the_confusion_are_labels():
    assert confusion(pred=[1, 1, 0], gender=[0, 0, 0]).tolist() == [[1, 2], [0, 0]]


def test_unknown_gender_is_left_out_and_one_half_is_male():
    figures = gender_metrics([0.9, 0.5, 0.2, np.nan], [1, 0, -1, -1], seed=0)
    assert figures["n"] == 2 and figures["accuracy"] == 1


@pytest.mark.parametrize("gender", [[], [-1, -1]])
def test_nothing_to_measure_gives_none(gender):
    figures = gender_metrics(np.full(len(gender), 0.7), gender, seed=0)
    undefined = {"n": 0, "precision": None, "recall": None, "f1": None}
    assert figures == {
        "n": 0,
        "accuracy": None,
        "accuracy_ci95": None,
        "precision": None,
        "recall": None,
        "f1": None,
        "sensitivity": None,
        "specificity": None,
        "by_class": {"male": undefined, "female": undefined},
        "confusion": [[0, 0], [0, 0]],
    }


@pytest.mark.parametrize("broken", [np.nan, 1.5, -0.1])
def test_what_is_no_probability_is_an_error(broken):
    with pytest.raises(AgeGenderError, match=r"1 of 2 gender probabilities are not in 0\.\.1"):
        gender_metrics([0.3, broken], [0, 1], seed=0)
