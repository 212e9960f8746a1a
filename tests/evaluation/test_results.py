"""The content of metrics.json: exact ages, ranges, groups, several data sets, and what is missing."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.evaluation.results import baseline, split_metrics
from agegender.metrics.registry import BY_KEY


def faces(dataset: str, n: int, width: float = 0, seed: int = 0) -> pd.DataFrame:
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


def test_every_metric_has_its_key_of_the_registry_and_means_have_intervals() -> None:
    metrics = split_metrics(faces("a", 60), seed=0, classes=[0, 26, 51, 76])
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    measured = {key for key in metrics if key in BY_KEY}
    assert measured == {key for key, metric in BY_KEY.items() if metric.is_computed} - {"age_crps"}
    intervals = {key.removesuffix("_ci95") for key in metrics if key.endswith("_ci95")}
    assert intervals == measured
    for key in intervals - {"age_challenge_25"}:
        low, high = metrics[f"{key}_ci95"]
        assert low <= metrics[key] <= high, key
    assert metrics["age_challenge_25"] is metrics["age_challenge_25_ci95"] is None  # no face of 14 to 17 years
    counts = {"n": 60, "n_exact_age": 60, "n_age": 60, "n_age_range": 60, "n_age_class": 60, "n_gender": 54, "n_14_to_17": 0}
    assert {key: metrics[key] for key in counts} == counts


def test_groups_are_those_that_are_labelled() -> None:
    test = faces("a", 60)
    groups = split_metrics(test, seed=0)["by_group"]
    assert {name: row["n"] for name, row in groups["gender"].items()} == {"male": 30, "female": 24}
    assert {name: row["n"] for name, row in groups["race"].items()} == {"White": 20, "Black": 20}
    assert sum(row["n"] for row in groups["age_decade"].values()) == 60
    mine = (test["race"] == "Black") & (test["gender"] == 1)
    black_women = groups["race_gender"]["Black female"]
    assert black_women["n"] == mine.sum() and set(groups["race_gender"]) == {
        f"{race} {gender}" for race in ("White", "Black") for gender in ("male", "female")
    }
    assert black_women["age_mae"] == pytest.approx((test["age_pred"] - test["age_low"])[mine].abs().mean())
    assert black_women["gender_accuracy"] == (test["probability_female"][mine] > 0.5).mean()


def test_several_data_sets_have_all_metrics_each() -> None:
    exact, ranges = faces("a", 40), faces("b", 30, width=5, seed=1)
    both = pd.concat([exact, ranges], ignore_index=True)
    metrics = split_metrics(both, seed=0)
    assert metrics["by_dataset"] == {"a": split_metrics(exact, seed=0), "b": split_metrics(ranges, seed=0)}
    assert "by_dataset" not in metrics["by_dataset"]["a"]
    guess = baseline(both, both)
    assert guess["by_dataset"] == {"a": baseline(both, exact), "b": baseline(both, ranges)}
    assert guess["by_dataset"]["a"]["guess"] == guess["guess"]


def test_a_model_of_one_task_has_no_metrics_of_the_other() -> None:
    test = faces("a", 20)
    only_gender = split_metrics(test.drop(columns="age_pred"), seed=0)
    assert not [key for key in only_gender if key.startswith(("age", "n_age", "n_exact"))]
    assert set(only_gender["by_group"]["gender"]["male"]) == {"n", "n_gender", "gender_accuracy", "gender_balanced_accuracy"}
    only_age = split_metrics(test.drop(columns="probability_female"), seed=0)
    assert not [key for key in only_age if "gender" in key] and list(only_age["confusions"]) == ["age_range"]


def test_without_labels_metrics_are_none() -> None:
    test = faces("a", 20).assign(age_low=np.nan, age_high=np.nan, gender=pd.array([None] * 20, dtype="Int8"))
    metrics = split_metrics(test.assign(race=pd.array([None] * 20, dtype="string")), seed=0)
    assert metrics["age_mae"] is None and metrics["age_mae_ci95"] is None and metrics["gender_f1"] is None
    assert metrics["confusions"] == {} and not any(metrics["by_group"].values())
    guess = baseline(test, test)
    assert guess == {"guess": {"age": None, "gender": None}}


def test_a_diverged_prediction_is_refused() -> None:
    with pytest.raises(AgeGenderError, match="1 of 20 predicted ages are not finite"):
        split_metrics(faces("a", 20).assign(age_pred=[math.nan, *range(19)]), seed=0)


def test_the_baseline_predicts_what_the_training_split_has_most() -> None:
    train, test = faces("a", 101), faces("a", 60, seed=1)
    guess = baseline(train, test)
    assert guess["guess"] == {"age": train["age_low"].median(), "gender": 0}
    assert guess["age_mae"] == (test["age_low"] - train["age_low"].median()).abs().mean()
    assert guess["gender_accuracy"] == pytest.approx((test["gender"].dropna() == 0).mean())


def test_each_age_has_its_errors() -> None:
    test = faces("a", 60)
    rows = split_metrics(test, seed=0)["by_age"]
    assert [row["age"] for row in rows] == sorted(set(test["age_low"])) and sum(row["n"] for row in rows) == 60
    own = test[test["age_low"] == rows[2]["age"]]
    assert rows[2]["predicted"] == pytest.approx(own["age_pred"].mean())
    assert rows[2]["bias"] == pytest.approx((own["age_pred"] - own["age_low"]).mean())
    assert rows[2]["mae"] == pytest.approx((own["age_pred"] - own["age_low"]).abs().mean())
    assert split_metrics(faces("a", 60, width=3), seed=0)["by_age"] == []
