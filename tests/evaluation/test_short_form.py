"""Fairness, age gate and age intervals in a few lines."""

import numpy as np
import pandas as pd

from agegender.evaluation.analysis import analyse
from agegender.evaluation.options import Options
from agegender.evaluation.short_form import measures_in_short


def faces(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    low, gender, race = rng.integers(5, 80, n).astype(float), rng.integers(0, 2, n), rng.choice(["x", "y"], n)
    error = np.where((race == "y") & (gender == 1), 8.0, 3.0) * rng.choice([-1, 1], n)
    columns = {"dataset": "a", "age_low": low, "age_high": low, "gender": pd.array(gender, dtype="Int8"), "race": race,
               "age_pred": low + error, "probability_female": np.clip(gender, 0.2, 0.8)}  # fmt: skip
    return pd.DataFrame(columns)


def test_each_measure_has_a_line_with_its_numbers() -> None:
    metrics = analyse(faces(), options=Options(resamples=100)).metrics
    gap, gender, under_18, under_21, sure = measures_in_short(metrics)
    assert "worst y female 8.00" in gap and gap.split()[:3] == ["gap", "MAE", "5.00"]
    assert gender.split()[:3] == ["gender", "accuracy", "0.0%"]
    gate = metrics["age_gate"]["legal_ages"]["18"]
    assert f"under 18: {gate['estimate']['false_positive_rate'][0]:.1%} pass at 18 years" in under_18
    least = gate["estimate"]["smallest"]
    assert f"; {least['threshold']:g} years keeps it below 5.0%" in under_18 and f"(n={gate['n_under']})" in under_18
    assert "under 21" in under_21
    interval = metrics["uncertainty"]["age"]["levels"]["90"]["conformal"]
    assert f"90% age intervals around the predicted age: mean width {interval['width']:.1f} years" in sure
    assert f"coverage {interval['coverage']:.1%} [95%" in sure


def test_what_was_not_measured_has_no_line() -> None:
    assert measures_in_short({"n": 3}) == []  # of an earlier version
    few = analyse(faces(10).assign(age_low=50.0, age_high=50.0), options=Options(resamples=100)).metrics
    assert measures_in_short(few) == []
    assert len(measures_in_short(analyse(faces().drop(columns="age_pred"), options=Options(resamples=100)).metrics)) == 1
