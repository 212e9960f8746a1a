"""The metrics of a test as text: exact ages, ranges, groups, several data sets, and what is missing."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from agegender.evaluation.results import baseline, split_metrics
from agegender.evaluation.results_table import CAVEAT, results_table


def faces(dataset: str, n: int, width: float = 0) -> pd.DataFrame:
    low = np.arange(n) % 7 * 10.0
    return pd.DataFrame(
        {
            "dataset": pd.array([dataset] * n, dtype="string"),
            "age_low": low,
            "age_high": low + width,
            "gender": pd.array(np.where(np.arange(n) % 10 == 9, None, np.arange(n) % 2), dtype="Int8"),
            "race": pd.array([("White", "Black", None)[i % 3] for i in range(n)], dtype="string"),
            "age_pred": low + np.arange(n) % 11 - 4.0,
            "probability_female": np.arange(n) % 3 / 2,
        }
    )


def table(test: pd.DataFrame, classes: Sequence[int] = ()) -> str:
    metrics = {
        "tested": "test",
        "split": {"name": "random", "sha256": "0123456789abcdef"},
        "test": split_metrics(test, 0, classes),
        "baseline": baseline(test, test),
    }
    return results_table(json.loads(json.dumps(metrics, allow_nan=False)))


def test_metrics_stand_with_interval_number_of_faces_and_baseline() -> None:
    test = faces("a", 60)
    metrics, lines = split_metrics(test, 0), table(test).splitlines()
    low, high = metrics["age_mae_ci95"]
    assert lines[0] == "test split: 60 faces, split random 0123456789ab"
    assert lines[1].startswith(f"  age     MAE {metrics['age_mae']:.2f} years [95% {low:.2f}, {high:.2f}]  RMSE ")
    assert (
        f"CS@5 {metrics['age_cs5']:.1%}  bias {metrics['age_bias']:+.2f}  (n=60; predicting the training median: " in lines[1]
    )
    assert lines[2].startswith(f"          nine-range accuracy {metrics['age_range_accuracy']:.1%} [95% ")
    assert "label distance" not in table(test)  # it would be the MAE again
    assert any(line.startswith(f"  gender  gender accuracy {metrics['gender_accuracy']:.1%} [95% ") for line in lines)
    assert lines[-1] == CAVEAT


def test_decades_and_groups_have_a_line_each() -> None:
    test = faces("a", 60)
    groups, text = split_metrics(test, 0)["by_group"], table(test)
    row = groups["age_decade"]["10-19"]
    assert f"             10-19  MAE {row['age_mae']:5.2f}  bias {row['age_bias']:+6.2f}  n={row['n']}\n" in text
    assert f"Black  male MAE {groups['race_gender']['Black male']['age_mae']:5.2f} gender accuracy" in text
    assert "all  male MAE" in text


def test_ranges_have_a_distance_and_no_error() -> None:
    test = faces("a", 60, width=9)
    test["age_low"] = test["age_low"].replace(0, 3)
    text, metrics = table(test), split_metrics(test, 0)
    low, high = metrics["age_distance_ci95"]
    assert f"age     label distance {metrics['age_distance']:.2f} years [95% {low:.2f}, {high:.2f}]  (n=60; predicting" in text
    assert f"nine-range accuracy {metrics['age_range_accuracy']:.1%} [95%" in text and "MAE" not in text
    assert "male label distance" in text


def test_several_data_sets_have_their_own_lines() -> None:
    both = pd.concat([faces("a", 40), faces("b", 30, width=5)], ignore_index=True)
    head, first, second = (one.splitlines() for one in table(both).replace("of these", "\fof these").split("\f"))
    assert first[0] == "of these 40 faces of a" and second[0] == "of these 30 faces of b"
    assert "(n=40;" in head[1] and "label distance" in head[2] and "(n=70;" in head[2]
    assert not any("groups" in line for line in head)
    assert any("groups" in line for line in first) and any("groups" in line for line in second)


def test_one_task_or_no_label_at_all() -> None:
    test = faces("a", 20)
    assert "MAE" not in table(test.drop(columns="age_pred"))
    assert "  gender " not in table(test.drop(columns="probability_female"))
    nobody = pd.array([None] * 20, dtype="Int8")
    text = table(test.assign(age_low=np.nan, age_high=np.nan, gender=nobody, race=nobody.astype("string")))
    assert "age     no labelled faces" in text and "gender  no labelled faces" in text and "groups" not in text


def test_a_head_with_classes_has_a_line_for_them() -> None:
    test = faces("a", 60)
    accuracy = split_metrics(test, 0, [0, 26, 51, 76])["age_class_accuracy"]
    assert f"age class accuracy {accuracy:.1%} [95%" in table(test, [0, 26, 51, 76]) and "class" not in table(test)


def test_sensitivity_and_specificity_are_of_female() -> None:
    test = faces("a", 60)
    metrics, text = split_metrics(test, 0), table(test)
    (male, taken_for_female), (taken_for_male, female) = metrics["confusions"]["gender"]["counts"]
    sensitivity, specificity = female / (female + taken_for_male), male / (male + taken_for_female)
    assert sensitivity != specificity
    assert f"sensitivity {sensitivity:.1%}  specificity {specificity:.1%}  (positive: female)" in text
    assert f"female  precision {metrics['gender_precision_female']:.1%}  recall {sensitivity:.1%}  F1" in text
    assert "specificity" not in table(test[test["gender"] == 1])


def test_metrics_without_groups_and_baseline_can_be_shown() -> None:
    metrics = {"tested": "val", "split": {"name": "file", "sha256": "0"}, "val": {"n": 3, "n_age": 3, "age_rmse": None}}
    assert results_table(metrics).splitlines()[1] == "  age     no labelled faces"
