"""Everything that is measured of a table: repeatable, valid JSON, and complete where labels are missing."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agegender.evaluation.analysis import analyse
from agegender.evaluation.options import Options

FAST = Options(resamples=100)


def faces(n: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    low, gender = rng.integers(1, 80, n).astype(float), rng.integers(0, 2, n)
    return pd.DataFrame({
        "path": [f"{i}.jpg" for i in range(n)], "dataset": "a", "age_low": low, "age_high": low,
        "gender": pd.array(gender, dtype="Int8"), "race": pd.array(rng.choice(["x", "y"], n), dtype="string"),
        "group": [f"{i // 2}" for i in range(n)], "split": "test", "age_pred": low + rng.normal(0, 6, n),
        "probability_female": np.clip(gender + rng.normal(0, 0.5, n), 0.01, 0.99),
    })  # fmt: skip


def test_the_same_table_gives_the_same_numbers() -> None:
    one, again = (analyse(faces(), options=FAST) for _ in range(2))
    assert json.dumps(one.metrics) == json.dumps(again.metrics) and one.calibration == again.calibration
    pd.testing.assert_frame_equal(one.groups, again.groups)
    assert json.dumps(analyse(faces(), seed=1, options=FAST).metrics) != json.dumps(one.metrics)


def test_groups_of_the_metrics_have_the_values_and_intervals_of_the_table() -> None:
    found = analyse(faces(), options=FAST)
    rows = found.groups.set_index(["kind", "group", "metric"])
    for kind, name in (("gender", "female"), ("race", "x"), ("race_gender", "y male"), ("age_band", "20-29")):
        row, own = rows.loc[(kind, name, "age_mae")], found.metrics["by_group"][kind][name]
        assert own["age_mae"] == pytest.approx(row["value"]) and own["age_mae_ci95"] == [row["ci_low"], row["ci_high"]]
    assert found.metrics["by_group"]["age_decade"]["20-29"]["age_mae_ci95"]


def changed(**columns: Any) -> pd.DataFrame:
    return faces().assign(**columns)


NOBODY = pd.array([None] * 120, dtype="Int8")
EDGE_CASES = {
    "no race column": faces().drop(columns="race"),
    "one gender only": changed(gender=pd.array([1] * 120, dtype="Int8")),
    "a race of one face": changed(race=["alone", *["x"] * 119]),
    "all ages equal": changed(age_low=30.0, age_high=30.0),
    "all predictions equal": changed(age_pred=30.0, probability_female=0.5),
    "only ranges": changed(age_low=faces()["age_low"] // 10 * 10, age_high=faces()["age_low"] // 10 * 10 + 9),
    "no age labels": changed(age_low=np.nan, age_high=np.nan),
    "no labels": changed(age_low=np.nan, age_high=np.nan, gender=NOBODY, race=pd.NA),
    "unlabelled faces without an estimate": changed(age_low=[np.nan] * 2 + [20.0] * 118, age_high=[np.nan] * 2 + [20.0] * 118,
                                                    age_pred=[np.nan] * 2 + [21.0] * 118),
    "one face": faces(1),
    "every face a race": changed(race=[f"race {i}" for i in range(120)]),
    "all faces tied": changed(group="one"),
    "age only": faces().drop(columns="probability_female"),
    "gender only": faces().drop(columns="age_pred"),
    "hostile names": changed(race=["=cmd()", "@x", "-1", "+2", "<b>", "a,b\"c"] * 20),
}  # fmt: skip


@pytest.mark.parametrize("case", EDGE_CASES)
@pytest.mark.filterwarnings("error")
def test_every_case_is_measured_without_a_warning(case: str) -> None:
    table = EDGE_CASES[case]
    found = analyse(table, options=FAST)
    for content in (found.metrics, found.calibration):
        json.dumps(content, allow_nan=False)
    assert found.metrics["n"] == len(table)
    known = {"race": table.get("race"), "gender": table["gender"].map({0: "male", 1: "female"})}
    for kind, labels in known.items():
        counted = found.groups[(found.groups["kind"] == kind)].groupby("group", sort=True)["n"].max()
        assert list(counted.index) == sorted(set() if labels is None else set(labels.dropna()))


def test_several_datasets_are_measured_each_and_compared() -> None:
    both = pd.concat([faces(), faces(80, 1).assign(dataset="b")], ignore_index=True)
    found = analyse(both, options=FAST)
    assert found.metrics["by_dataset"]["b"]["n"] == 80
    assert set(found.groups[found.groups["kind"] == "dataset"]["group"]) == {"a", "b"}


def test_options_reach_the_measures() -> None:
    options = Options(legal_ages=(16,), challenge_age=20, target_rate=0.5, resamples=50, minimum=90, mondrian="age_band")
    found = analyse(faces(), options=options)
    assert list(found.metrics["age_gate"]["legal_ages"]) == ["16"] and found.metrics["age_gate"]["target_rate"] == 0.5
    assert {row["threshold"] for row in found.metrics["age_gate"]["legal_ages"]["16"]["at"]} == {16.0, 20.0}
    assert not found.groups["ranked"].any() and found.metrics["fairness"]["minimum"] == 90
    assert found.calibration["age"]["mondrian"] == "age_band"
