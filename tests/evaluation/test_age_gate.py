"""The age gate as NIST reports it, against hand counts on a small table."""

import json

import numpy as np
import pandas as pd
import pytest

from agegender.evaluation.age_gate import age_gate
from agegender.evaluation.measured_faces import MeasuredFaces
from agegender.evaluation.options import Options

#  label   prediction  P(age < 18)
SMALL = [
    (9, 9, 6.0, 1.00), (12, 12, 19.0, 0.40), (13, 13, 12.9, 0.99), (14, 14, 16.9, 0.60), (15, 15, 26.0, 0.04),
    (15, 15, 17.0, 0.50),
    (16, 16, 18.0, 0.45), (17, 17, 25.0, 0.10), (17, 17, 15.0, 0.80), (18, 18, 17.0, 0.55), (20, 20, 24.0, 0.05),
    (22, 22, 14.0, 0.70), (40, 40, 38.0, 0.00), (10, 19, 50.0, 0.00), (3, 9, 30.0, 0.00), (None, None, 30.0, 0.00),
]  # fmt: skip


def measured(rows: list[tuple[float | None, ...]] = SMALL, probability: bool = True) -> MeasuredFaces:
    low, high, pred, under = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    gender = pd.array([i % 2 for i in range(len(rows))], dtype="Int8")
    frame = pd.DataFrame({"dataset": "a", "age_low": low, "age_high": high, "gender": gender, "race": "x", "age_pred": pred})
    return MeasuredFaces.of(frame.assign(probability_under_18=under) if probability else frame, resamples=300)


def test_rates_equal_hand_counts() -> None:
    gate = age_gate(measured(), Options(legal_ages=(18,)))
    assert gate is not None and json.loads(json.dumps(gate, allow_nan=False)) == gate
    at_18 = gate["legal_ages"]["18"]
    counts = {key: at_18[key] for key in ("n_under", "n_of_age", "n_straddling", "n_unlabelled")}
    assert counts == {"n_under": 10, "n_of_age": 4, "n_straddling": 1, "n_unlabelled": 1}
    estimate = dict(zip(at_18["estimate"]["thresholds"], at_18["estimate"]["false_positive_rate"], strict=True))
    assert estimate[18] == pytest.approx(5 / 10) and estimate[25] == pytest.approx(3 / 10) and estimate[31] == 0
    refused = dict(zip(at_18["estimate"]["thresholds"], at_18["estimate"]["refused_rate"], strict=True))
    assert refused[18] == pytest.approx(2 / 4) and refused[25] == pytest.approx(3 / 4)
    rows = {(row["threshold"], row["kind"], row["group"]): (row["passed"], row["n"]) for row in at_18["at"]}
    assert rows[18, "all", "under 18"] == (5, 10)
    assert rows[18, "age_band", "8-12"] == (1, 2) and rows[18, "age_band", "13-16"] == (2, 5)
    assert rows[18, "age_band", "14-17"] == (3, 6) and rows[25, "age_band", "14-17"] == (2, 6)
    assert rows[18, "age_band", "17-22"] == (1, 2)  # the 17-year-olds
    assert rows[18, "age", "15"] == (1, 2) and rows[25, "age", "15"] == (1, 2) and rows[18, "age", "10"] == (0, 0)
    assert rows[18, "gender", "male"] == (3, 6) and rows[18, "gender", "female"] == (2, 4)
    assert "does not suffice" in gate["statement"]


def test_the_gate_on_the_probability_equals_hand_counts() -> None:
    gate = age_gate(measured(), Options(legal_ages=(18,), target_rate=0.25))
    assert gate is not None
    curve = gate["legal_ages"]["18"]["probability"]
    found = dict(zip(curve["thresholds"], curve["false_positive_rate"], strict=True))
    assert (found[0.5], found[0.4], found[0.1]) == pytest.approx((6 / 10, 4 / 10, 3 / 10))
    assert curve["smallest"]["threshold"] == 0.07 and curve["smallest"]["false_positive_rate"] == pytest.approx(0.2)
    without = age_gate(measured(probability=False), Options(legal_ages=(18,)))
    assert without is not None and without["legal_ages"]["18"]["probability"] is None


def test_child_access_equals_hand_counts() -> None:
    gate = age_gate(measured(), Options())
    assert gate is not None
    rows = {row["group"]: (row["passed"], row["n"]) for row in gate["child_access"]["rows"]}
    assert rows["13"] == (0, 1) and rows["14"] == (1, 1) and rows["15"] == (0, 2) and rows["16"] == (0, 1)
    assert rows["13-16"] == (1, 5) and rows["8-12"] == (0, 2) and rows["17-22"] == (2, 5)


def test_the_smallest_threshold_meets_the_target_and_its_interval_contains_it() -> None:
    rng = np.random.default_rng(0)
    rows = [(age, age, age + rng.normal(0, 4), 0.0) for age in rng.integers(8, 60, 2000).tolist()]
    found = age_gate(measured(rows), Options(legal_ages=(18,), target_rate=0.05))["legal_ages"]["18"]["estimate"]  # type: ignore[index]
    young = [pred for age, _, pred, _ in rows if age < 18]
    share = lambda threshold: np.mean([pred >= threshold for pred in young])
    threshold = found["smallest"]["threshold"]
    assert share(threshold) <= 0.05 < share(threshold - 1)
    assert found["smallest"]["false_positive_rate"] == pytest.approx(share(threshold))
    low, high = found["smallest"]["ci95"]
    assert low <= threshold <= high and high - low <= 4


def test_a_target_out_of_reach_and_no_young_faces_are_said() -> None:
    blind = [(15, 15, 80.0, 0.0), (16, 16, 90.0, 0.0), (30, 30, 40.0, 0.0)]
    found = age_gate(measured(blind), Options(legal_ages=(18,)))["legal_ages"]["18"]["estimate"]  # type: ignore[index]
    assert found["smallest"] is None and "more than 5.0% of the under-age faces pass" in found["reason"]
    old = age_gate(measured([(30, 30, 40.0, 0.0), (50, 50, 40.0, 0.0)]), Options(legal_ages=(18,)))
    assert old is not None
    estimate = old["legal_ages"]["18"]["estimate"]
    assert estimate["reason"] == "no face with a label below the legal age" and set(estimate["false_positive_rate"]) == {None}
    assert {row["rate"] for row in old["legal_ages"]["18"]["at"]} == {None}


def test_only_ranges_are_measured_where_they_lie_on_one_side() -> None:
    ranges = [(3, 9, 20.0, 0.0), (10, 19, 20.0, 0.0), (20, 29, 20.0, 0.0)]
    found = age_gate(measured(ranges), Options(legal_ages=(18,)))["legal_ages"]["18"]  # type: ignore[index]
    assert (found["n_under"], found["n_of_age"], found["n_straddling"]) == (1, 1, 1)
    assert {row["n"] for row in found["at"] if row["kind"] == "age"} == {0}


def test_a_model_of_gender_has_no_age_gate() -> None:
    frame = measured().frame.drop(columns="age_pred").assign(probability_female=0.5)
    assert age_gate(MeasuredFaces.of(frame), Options()) is None
