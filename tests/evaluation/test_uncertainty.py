"""Cross-fitted coverage, saved calibrations, and the reasons why there is none."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agegender.evaluation.measured_faces import MeasuredFaces
from agegender.evaluation.options import Options
from agegender.evaluation.uncertainty import SELECTED, Uncertainty
from agegender.metrics.calibration import Calibration
from agegender.metrics.distributions import ENDS, summary_columns

YEARS = np.arange(117)


def faces(n: int = 1200, seed: int = 0, distribution: bool = True) -> pd.DataFrame:
    """Predictions with errors of 3 or 9 years, and distributions that know which; overconfident genders."""
    rng = np.random.default_rng(seed)
    low, spread, gender = rng.integers(15, 90, n).astype(float), rng.choice([3.0, 9.0], n), rng.integers(0, 2, n)
    center = low + rng.normal(0, spread)
    weights = np.exp(-((YEARS - center[:, None]) ** 2) / (2 * spread[:, None] ** 2))
    weights /= weights.sum(axis=1, keepdims=True)
    logit = rng.normal(0, 1.5, n)
    gender = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    frame = pd.DataFrame({
        "dataset": "a", "age_low": low, "age_high": low, "gender": pd.array(gender, dtype="Int8"),
        "race": rng.choice(["x", "y"], n),
        "group": [f"person {i // 2}" for i in range(n)], "age_pred": center.clip(0, 116),
        "probability_female": 1 / (1 + np.exp(-3 * logit)),
    })  # fmt: skip
    return frame.assign(**summary_columns(weights, 0, low, low)) if distribution else frame


def uncertainty(frame: pd.DataFrame, selected: bool = False, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    found = Uncertainty(MeasuredFaces.of(frame, resamples=200), Options(**options), (0, 116), 0, selected)
    metrics, calibration = found.metrics(), found.calibration("test")
    for content in (metrics, calibration):
        assert json.loads(json.dumps(content, allow_nan=False)) == content
    return metrics, calibration


def test_cross_fitted_coverage_is_the_level_and_the_saved_calibration_reproduces_it_on_new_faces() -> None:
    metrics, saved = uncertainty(faces())
    new, calibration = faces(4000, seed=1), Calibration.of(saved)
    for level in (50, 80, 90, 95):
        found = metrics["age"]["levels"][str(level)]
        intervals = {
            "conformal": calibration.age_interval(new["age_pred"], level),
            "quantile": calibration.quantile_interval(new["age_pred"], *(new[name] for name in ENDS[level]), level),
        }
        for method, (low, high) in intervals.items():
            assert found[method]["coverage"] == pytest.approx(level / 100, abs=0.03)
            assert found[method]["coverage_ci95"][0] < level / 100 < found[method]["coverage_ci95"][1] + 0.02
            assert ((low <= new["age_low"]) & (new["age_low"] <= high)).mean() == pytest.approx(level / 100, abs=0.04)
            assert (high - low).mean() == pytest.approx(found[method]["width"], rel=0.1)
            assert saved["age"]["levels"][str(level)]["coverage"][method] == found[method]["coverage"]
        if level >= 80:  # intervals that know which faces are hard are shorter on average
            assert found["quantile"]["width"] < found["conformal"]["width"]
    groups = metrics["age"]["levels"]["90"]["by_group"]
    assert set(groups) == {"gender", "race", "age_band"} and sum(row["n"] for row in groups["race"].values()) == 1200


def test_a_range_must_be_covered_to_its_far_end() -> None:
    exact = faces(distribution=False)
    ranges = exact.assign(age_low=exact["age_low"] // 10 * 10, age_high=exact["age_low"] // 10 * 10 + 9)
    (wide, saved), (narrow, _) = uncertainty(ranges), uncertainty(exact)
    assert wide["age"]["levels"]["90"]["conformal"]["coverage"] == pytest.approx(0.9, abs=0.03)
    assert wide["age"]["levels"]["90"]["conformal"]["width"] > narrow["age"]["levels"]["90"]["conformal"]["width"] + 5
    low, high = Calibration.of(saved).age_interval(ranges["age_pred"])
    assert ((low <= ranges["age_low"]) & (ranges["age_high"] <= high)).mean() == pytest.approx(0.9, abs=0.01)
    assert wide["distribution"] is None and wide["age"]["levels"]["90"]["quantile"] is None


def test_intervals_by_predicted_gender_have_the_coverage_in_each() -> None:
    frame = faces(2000)
    women = frame["probability_female"] > 0.5
    frame.loc[women, "age_pred"] = frame.loc[women, "age_low"] + 4 * (
        frame.loc[women, "age_pred"] - frame.loc[women, "age_low"]
    )
    _, saved = uncertainty(frame, mondrian="gender")
    offsets = saved["age"]["levels"]["90"]["conformal"]
    assert set(offsets) == {"male", "female"} and offsets["female"] > 2 * offsets["male"]
    low, high = Calibration.of(saved).age_interval(frame["age_pred"], 90, frame["probability_female"])
    covered = (low <= frame["age_low"]) & (frame["age_low"] <= high)
    assert covered[women].mean() == pytest.approx(0.9, abs=0.02) == pytest.approx(covered[~women].mean(), abs=0.04)


def test_distributions_are_scored_and_abstaining_lowers_the_error() -> None:
    metrics, _ = uncertainty(faces())
    assert metrics["distribution"]["pit"]["share"] == pytest.approx([0.1] * 10, abs=0.03)
    age, gender = metrics["selective"]["age"], metrics["selective"]["gender"]
    assert age["risk"][5] < 0.6 * age["risk"][-1] and gender["risk"][5] < 0.6 * gender["risk"][-1]
    frame = faces()
    assert age["risk"][-1] == pytest.approx((frame["age_pred"] - frame["age_low"]).abs().mean())


def test_overconfident_genders_are_scaled() -> None:
    metrics, saved = uncertainty(faces())
    gender = metrics["gender"]
    assert saved["gender"]["temperature"] == pytest.approx(3, rel=0.2)
    assert gender["ece_scaled"] < 0.6 * gender["ece"] and gender["nll_scaled"] < gender["nll"]
    assert sum(row["n"] for row in gender["reliability"]) == 1200


def test_without_a_basis_there_is_a_reason_and_no_interval() -> None:
    frame = faces(200)
    unlabelled = frame.assign(age_low=np.nan, age_high=np.nan, age_pit_low=np.nan, age_pit_high=np.nan)
    cases: list[tuple[pd.DataFrame, dict[str, Any], str]] = [
        (unlabelled, {}, "only 0 faces have an age label; at least 20 are needed"),
        (frame.head(19), {}, "only 19 faces have an age label"),
        (frame, {"selected": True}, SELECTED),
        (frame.drop(columns="age_pred"), {}, "the model does not predict age"),
        (
            frame.drop(columns="probability_female"),
            {"mondrian": "gender"},
            "mondrian=gender: the model does not predict gender",
        ),
    ]
    for some, options, reason in cases:
        metrics, saved = uncertainty(some, **options)
        assert reason in metrics["age"]["reason"] and metrics["age"]["levels"] == {} and reason in saved["age"]["reason"]
        assert Calibration.of(saved).levels == ()
    one_gender = frame.assign(gender=pd.array([1] * 200, dtype="Int8"))
    metrics, saved = uncertainty(one_gender)
    assert "fewer than 5 faces of a gender" in metrics["gender"]["reason"] and Calibration.of(saved).temperature == 1
    assert uncertainty(frame.drop(columns="probability_female"))[0]["gender"] == {"reason": "the model does not predict gender"}


def test_all_ages_equal() -> None:
    frame = faces(100, distribution=False).assign(age_low=30.0, age_high=30.0, age_pred=30.0)
    metrics, _ = uncertainty(frame)
    assert metrics["age"]["levels"]["90"]["conformal"] == {
        "coverage": 1.0, "coverage_ci95": [pytest.approx(0.025 ** (1 / 50)), 1.0], "width": 0.0, "median_width": 0.0
    }  # fmt: skip
