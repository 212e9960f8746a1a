"""Figures and their text: exact ages, ranges, groups, several data sets, and what is missing."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agegender.evaluation.results import CAVEAT, baseline, part_metrics, results_table

SPLIT = {"name": "random", "sha256": "0123456789abcdef", "part": "test"}


def predictions(dataset: str, n: int, width: float = 0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 7, n) * 10.0
    return pd.DataFrame(
        {
            "dataset": pd.array([dataset] * n, dtype="string"),
            "age_low": low,
            "age_high": low + width,
            "gender": pd.array(np.where(np.arange(n) % 10 == 9, None, np.arange(n) % 2), dtype="Int8"),
            "race": pd.array([("White", "Black", None)[i % 3] for i in range(n)], dtype="string"),
            "age_pred": low + rng.normal(0, 6, n),
            "probability_female": rng.random(n),
        }
    )


def table(test: pd.DataFrame, **more: Any) -> str:
    metrics = {"test": part_metrics(test, seed=0), "split": SPLIT, "baseline": baseline(test, test), **more}
    return results_table(json.loads(json.dumps(metrics, allow_nan=False)))


def test_groups_are_those_that_are_labelled() -> None:
    test = predictions("a", 60)
    groups = part_metrics(test, seed=0)["by_group"]
    assert {name: row["n"] for name, row in groups["gender"].items()} == {"male": 30, "female": 24}
    assert {name: row["n"] for name, row in groups["race"].items()} == {"White": 20, "Black": 20}
    mine = (test["race"] == "Black") & (test["gender"] == 1)
    black_women = groups["race_gender"]["Black female"]
    assert black_women["n"] == mine.sum() and set(groups["race_gender"]) == {
        f"{race} {gender}" for race in ("White", "Black") for gender in ("male", "female")
    }
    assert black_women["mae"] == pytest.approx((test["age_pred"] - test["age_low"])[mine].abs().mean())
    assert black_women["gender_accuracy"] == (test["probability_female"][mine] > 0.5).mean()
    text = table(test)
    assert f"Black  male MAE {groups['race_gender']['Black male']['mae']:5.2f} gender" in text
    assert "all  male MAE" in text and text.endswith(CAVEAT)


def test_ranges_have_a_distance_and_no_error() -> None:
    test = predictions("a", 60, width=9)
    test["age_low"] = test["age_low"].replace(0, 3)
    figures = part_metrics(test, seed=0)["age"]
    assert figures["mae"] is None and figures["ranges"]["n"] == 60
    text = table(test)
    assert f"age     {figures['distance']:.2f} years from the label  (n=60, all of them ranges; guessing the median: " in text
    assert f"nine ranges: accuracy {figures['ranges']['accuracy']:.1%} [95%" in text and "MAE" not in text
    assert "male off" in text


def test_several_data_sets_have_all_figures_each() -> None:
    exact, ranges = predictions("a", 40), predictions("b", 30, width=5, seed=1)
    both = pd.concat([exact, ranges], ignore_index=True)
    figures = part_metrics(both, seed=0)
    assert figures["by_dataset"] == {"a": part_metrics(exact, seed=0), "b": part_metrics(ranges, seed=0)}
    assert "by_dataset" not in figures["by_dataset"]["a"]
    guess = baseline(both, both)
    assert (
        guess["by_dataset"]["b"] == {**baseline(both, ranges)}
        and guess["by_dataset"]["a"]["age"]["guess"] == guess["age"]["guess"]
    )
    head, first, second = [part.splitlines() for part in table(both).replace("of these", "\fof these").split("\f")]
    assert first[0] == "of these 40 faces of a" and second[0] == "of these 30 faces of b"
    assert "(n=70, 40 exact ages among them;" in "".join(head) and not any("groups" in line for line in head)
    assert any("groups" in line for line in first) and any("groups" in line for line in second)


def test_one_task_or_no_label_at_all() -> None:
    test = predictions("a", 20)
    only_gender = part_metrics(test.drop(columns="age_pred"), seed=0)
    assert "age" not in only_gender and set(only_gender["by_group"]["gender"]["male"]) == {"n", "gender_accuracy"}
    assert "MAE" not in table(test.drop(columns="age_pred"))
    assert "  gender " not in table(test.drop(columns="probability_female"))
    test["age_low"] = test["age_high"] = np.nan
    test["gender"] = pd.array([None] * 20, dtype="Int8")
    test["race"] = pd.array([None] * 20, dtype="string")
    text = table(test)
    assert "age     no labelled faces" in text and "gender  no labelled faces" in text and "groups" not in text


def test_figures_written_before_there_were_groups_can_be_shown() -> None:
    old = part_metrics(predictions("a", 20), seed=0)
    del old["by_group"], old["age"]["ranges"]
    assert "MAE" in results_table({"test": old, "split": SPLIT})


def test_a_head_with_classes_has_their_figures() -> None:
    test = predictions("a", 60)
    classes = part_metrics(test, seed=0, classes=[0, 26, 51, 76])["age"]["classes"]
    assert classes["names"] == ["0-25", "26-50", "51-75", "76+"]
    said, label = (np.digitize(test[key], [25.5, 50.5, 75.5]) for key in ("age_pred", "age_low"))
    assert classes["accuracy"] == (said == label).mean() and np.sum(classes["confusion"]) == 60
    metrics = {"test": part_metrics(test, seed=0, classes=[0, 26, 51, 76]), "split": SPLIT}
    assert f"4 classes: accuracy {classes['accuracy']:.1%} [95%" in results_table(metrics)
    assert "classes" not in part_metrics(test, seed=0)["age"] and "classes" not in table(test)


def test_sensitivity_and_specificity_are_of_female() -> None:
    test = predictions("a", 60)
    gender = part_metrics(test, seed=0)["gender"]
    (male, taken_for_female), (taken_for_male, female) = gender["confusion"]
    sensitivity, specificity = female / (female + taken_for_male), male / (male + taken_for_female)
    assert (gender["sensitivity"], gender["specificity"]) == (sensitivity, specificity) and sensitivity != specificity
    assert f"sensitivity {sensitivity:.1%}  specificity {specificity:.1%}  (positive: female)" in table(test)
    only_women = test[test["gender"] == 1]
    assert part_metrics(only_women, seed=0)["gender"]["specificity"] is None and "specificity" not in table(only_women)
