"""The table of groups and its summary, against the metrics of each group alone."""

import numpy as np
import pandas as pd
import pytest

from agegender.evaluation.fairness import COLUMNS, fairness, groups_table, measured_groups
from agegender.evaluation.measured_faces import MeasuredFaces
from agegender.metrics.chance import holm
from agegender.metrics.registry import METRICS
from agegender.metrics.resampling import MetricTable


def table(faces: pd.DataFrame, minimum: int = 10) -> pd.DataFrame:
    measured = MeasuredFaces.of(faces, resamples=200)
    metrics = MetricTable(measured.predictions, METRICS)
    return groups_table(measured_groups(measured, metrics, measured.groupings, minimum), metrics.metrics)


@pytest.fixture(scope="module")
def estimated() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    low, gender = rng.integers(1, 80, n).astype(float), rng.integers(0, 2, n)
    race = np.where(np.arange(n) < 3, "Rare", rng.choice(["White", "Black"], n))
    error = np.where(race == "Black", 9.0, 4.0) * rng.choice([-1.1, -1, -0.9, 0.9, 1, 1.1], n)
    columns = {"dataset": "a", "age_low": low, "age_high": low, "gender": pd.array(gender, dtype="Int8"), "race": race,
               "age_pred": low + error, "probability_female": np.clip(gender + rng.normal(0, 0.6, n), 0, 1)}  # fmt: skip
    return pd.DataFrame(columns)


def test_every_group_has_a_row_for_every_metric(estimated: pd.DataFrame) -> None:
    rows = table(estimated)
    assert tuple(rows.columns) == COLUMNS
    metrics = rows["metric"].unique()
    assert {"age_mae", "age_cs10", "gender_auc", "age_minors_passed"} <= set(metrics)
    assert (rows.groupby(["kind", "group"])["metric"].nunique() == len(metrics)).all()
    assert set(rows["kind"]) == {"gender", "race", "age_band", "race_gender", "age_band_gender", "age_band_race",
                                 "age_band_race_gender"}  # fmt: skip
    own = estimated[(estimated["race"] == "Black") & (estimated["gender"] == 1)]
    row = rows[(rows["group"] == "Black female") & (rows["metric"] == "age_mae")].iloc[0]
    assert (row["kind"], row["n"], row["value"]) == ("race_gender", len(own), pytest.approx(9, rel=0.02))


def test_the_summary_names_the_best_and_the_worst_and_leaves_small_groups_unranked(estimated: pd.DataFrame) -> None:
    rows = table(estimated)
    found = fairness(rows, 10)["kinds"]["race"]["age_mae"]
    assert (found["best"], found["worst"], found["n_ranked"], found["gap"]) == ("White", "Black", 2, pytest.approx(5, rel=0.05))
    assert found["gap_ci95"][0] < found["gap"] < found["gap_ci95"][1] and found["p_holm"] < 1e-3
    rare = rows[(rows["group"] == "Rare") & (rows["metric"] == "age_mae")].iloc[0]
    assert (rare["n"], rare["value"], rare["ranked"]) == (3, pytest.approx(4, abs=0.5), False) and np.isnan(rare["gap"])


def test_p_values_are_corrected_over_all_groups_of_a_metric(estimated: pd.DataFrame) -> None:
    rows = table(estimated)
    own = rows[(rows["metric"] == "gender_accuracy") & rows["p"].notna()]
    assert len(own) > 20 and own["kind"].nunique() == 7
    assert own["p_holm"].tolist() == holm(own["p"].tolist())


def test_without_groups_the_table_is_empty(estimated: pd.DataFrame) -> None:
    unknown = estimated.assign(age_low=np.nan, age_high=np.nan, gender=pd.array([None] * 400, dtype="Int8"), race=None)
    rows = table(unknown)
    assert tuple(rows.columns) == COLUMNS and not len(rows) and fairness(rows, 10)["kinds"] == {}
