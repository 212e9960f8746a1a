"""What earlier versions wrote is read with today's keys; the text is of a real run, shortened."""

import json

import pytest

from agegender.metrics.earlier_schemas import current_metrics, current_paper
from agegender.metrics.registry import BY_KEY

METRICS = """
{"schema": 1, "seed": 0, "age_range": [0, 116],
 "split": {"name": "random 80/10/10 seed 0", "sha256": "9e3fdec6e697a05e", "part": "test", "n": 30},
 "test": {
  "n": 30,
  "age": {
   "n": 30, "n_exact": 29, "mae": 45.2, "mae_ci95": [35.06458333333334, 55.08375], "rmse": 52.3407107326601,
   "cs5": 0.06666666666666667, "distance": 45.1, "by_decade": {"0-9": {"n": 4, "mae": 47.0, "bias": -46.0}},
   "ranges": {"n": 28, "accuracy": 0.16666666666666666, "accuracy_ci95": [0.03333333333333333, 0.3],
              "balanced_accuracy": 0.14444444444444446, "one_off": 0.31, "confusion": [[0, 1, 0, 0, 0, 0, 0, 0, 1]]},
   "classes": {"names": ["0-25", "26+"], "n": 27, "accuracy": 0.6, "accuracy_ci95": [0.5, 0.7], "balanced_accuracy": 0.55,
               "one_off": 1.0, "confusion": [[10, 3], [8, 6]]}},
  "gender": {
   "n": 30, "accuracy": 0.5666666666666667, "accuracy_ci95": [0.4, 0.7666666666666667], "precision": 0.5416666666666667,
   "recall": 0.5271493212669683, "f1": 0.4993581514762516, "sensitivity": 0.8235294117647058,
   "specificity": 0.23076923076923078,
   "by_class": {"male": {"n": 13, "precision": 0.5, "recall": 0.23076923076923078, "f1": 0.3157894736842105},
                "female": {"n": 17, "precision": 0.5833333333333334, "recall": 0.8235294117647058, "f1": null}},
   "confusion": [[3, 10], [3, 14]]},
  "by_group": {"gender": {"female": {"n": 17, "n_age": 17, "n_exact": 16, "mae": 41.470588235294116, "distance": 41.4,
                                     "range_accuracy": 0.23529411764705882, "gender_accuracy": 0.8235294117647058}},
               "race": {}, "race_gender": {}},
  "by_dataset": {"fairface": {"n": 9, "age": {"n": 9, "n_exact": 0, "mae": null, "distance": 3.5}}}},
 "baseline": {"age": {"guess": 38.0, "mae": 22.7, "distance": 22.6}, "gender": {"guess": 1, "accuracy": 0.5666666666666667},
              "by_dataset": {"fairface": {"age": {"guess": 38.0, "mae": null, "distance": 9.0}}}},
 "train": {"n": 240, "epoch": 3, "age": {"mae": 31.6, "rmse": 38.0, "cs5": 0.10416, "class_accuracy": 0.09583},
           "gender": {"accuracy": 0.58333}}}
"""
TEST = {
    "n": 30, "n_age": 30, "n_exact_age": 29, "age_mae": 45.2, "age_mae_ci95": [35.06458333333334, 55.08375],
    "age_rmse": 52.3407107326601, "age_cs5": 0.06666666666666667, "age_distance": 45.1,
    "n_age_range": 28, "age_range_accuracy": 0.16666666666666666, "age_range_accuracy_ci95": [0.03333333333333333, 0.3],
    "age_range_balanced_accuracy": 0.14444444444444446, "age_range_one_off": 0.31,
    "n_age_class": 27, "age_class_accuracy": 0.6, "age_class_accuracy_ci95": [0.5, 0.7],
    "age_class_balanced_accuracy": 0.55, "age_class_one_off": 1.0,
    "n_gender": 30, "gender_accuracy": 0.5666666666666667, "gender_accuracy_ci95": [0.4, 0.7666666666666667],
    "gender_precision": 0.5416666666666667, "gender_recall": 0.5271493212669683, "gender_f1": 0.4993581514762516,
    "gender_precision_male": 0.5, "gender_recall_male": 0.23076923076923078, "gender_f1_male": 0.3157894736842105,
    "gender_precision_female": 0.5833333333333334, "gender_recall_female": 0.8235294117647058, "gender_f1_female": None,
    "confusions": {
        "age_range": {"names": ["0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+"],
                      "counts": [[0, 1, 0, 0, 0, 0, 0, 0, 1]]},
        "age_class": {"names": ["0-25", "26+"], "counts": [[10, 3], [8, 6]]},
        "gender": {"names": ["male", "female"], "counts": [[3, 10], [3, 14]]}},
    "by_group": {
        "age_decade": {"0-9": {"n": 4, "n_exact_age": 4, "age_mae": 47.0, "age_bias": -46.0}},
        "gender": {"female": {"n": 17, "n_age": 17, "n_exact_age": 16, "age_mae": 41.470588235294116, "age_distance": 41.4,
                              "age_range_accuracy": 0.23529411764705882, "gender_accuracy": 0.8235294117647058}},
        "race": {}, "race_gender": {}},
    "by_dataset": {"fairface": {"n": 9, "n_age": 9, "n_exact_age": 0, "age_mae": None, "age_distance": 3.5}},
}  # fmt: skip


def test_metrics_of_earlier_schemas_get_todays_keys() -> None:
    assert current_metrics(json.loads(METRICS)) == {
        "schema": 3,
        "tested": "test",
        "split": {"name": "random 80/10/10 seed 0", "sha256": "9e3fdec6e697a05e"},
        "age_classes": [0, 26],
        "test": TEST,
        "train": {
            "n": 240, "epoch": 3, "age_mae": 31.6, "age_rmse": 38.0, "age_cs5": 0.10416, "age_class_accuracy": 0.09583,
            "gender_accuracy": 0.58333,
        },
        "baseline": {
            "guess": {"age": 38.0, "gender": 1}, "age_mae": 22.7, "age_distance": 22.6, "gender_accuracy": 0.5666666666666667,
            "by_dataset": {"fairface": {"guess": {"age": 38.0}, "age_mae": None, "age_distance": 9.0}},
        },
        "seed": 0,
        "age_range": [0, 116],
    }  # fmt: skip


def test_every_translated_metric_is_in_the_registry() -> None:
    found = {key.removesuffix("_ci95") for key in current_metrics(json.loads(METRICS))["test"]}
    others = {"n", "n_age", "n_exact_age", "n_age_range", "n_age_class", "n_gender", "confusions", "by_group", "by_dataset"}
    assert found - set(BY_KEY) == others


def test_todays_schema_stays_and_a_later_one_is_refused() -> None:
    now = current_metrics(json.loads(METRICS))
    assert current_metrics(now) == now
    assert current_metrics({"schema": 2, "test": {"n": 1}}) == {"schema": 3, "test": {"n": 1}}
    with pytest.raises(ValueError, match="schema 4: this version reads 1 to 3"):
        current_metrics({"schema": 4})


def test_a_paper_gets_todays_keys() -> None:
    old = {
        "title": "T",
        "figures": {
            "test": {"mae": 3.45, "cs5": 0.9, "class_accuracy": 0.7, "gender_accuracy": 0.94, "recall_female": 0.96},
            "val": {"gender_loss": 0.27, "distance": 1.0, "latency_ms": 8},
        },
        "protocol": None,
    }
    new = current_paper(old)
    assert set(new) == {"title", "metrics", "protocol"}
    assert new["metrics"] == {
        "test": {
            "age_mae": 3.45, "age_cs5": 0.9, "age_class_accuracy": 0.7, "gender_accuracy": 0.94, "gender_recall_female": 0.96,
        },
        "val": {"gender_loss": 0.27, "age_distance": 1.0, "latency_ms": 8},
    }  # fmt: skip
    assert all(key in BY_KEY for values in new["metrics"].values() for key in values)
    assert current_paper(new) == new and current_paper(None) is None and current_paper("words") == "words"
    assert current_paper({"figures": {"test": 4}}) == {"metrics": {"test": 4}}  # for the checks of a configuration to refuse
