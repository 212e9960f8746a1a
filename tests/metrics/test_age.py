import json

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from agegender.errors import AgeGenderError
from agegender.metrics.age import age_metrics, by_decade, cs, distance_to_interval, mae


@pytest.fixture
def faces():
    random = np.random.default_rng(0)
    age = random.integers(0, 117, 500).astype(np.float32)
    return (age + random.normal(0, 8, 500)).astype(np.float32), age


def test_mae_and_rmse_equal_scikit_learn(faces):
    pred, age = faces
    figures = age_metrics(pred, age, age, seed=0)
    assert figures["mae"] == pytest.approx(mean_absolute_error(age, pred))
    assert figures["rmse"] == pytest.approx(root_mean_squared_error(age, pred))


def test_cs_counts_errors_up_to_and_including_k_without_rounding():
    errors = [0.0, -5.0, 5.0, 5.0001, -4.9, 5.4, 60.0]
    assert cs(errors, 5) == pytest.approx(4 / 7)
    assert cs(errors, 0) == pytest.approx(1 / 7)
    assert cs(errors, 100) == 1


def test_without_errors_there_is_nothing_to_say():
    assert mae([]) is None and cs([], 5) is None


def test_distance_to_interval():
    distances = distance_to_interval([1, 3, 9, 12.5, 40], [3, 3, 3, 3, 38], [9, 9, 9, 9, 38])
    assert distances.tolist() == [2, 0, 0, 3.5, 2]


def test_decades_are_those_of_the_true_age():
    assert by_decade([3.0, 8.0, 12.0, 30.0, 118.0], [0.0, 9.0, 10.0, 19.9, 116.0]) == {
        "0-9": {"n": 2, "mae": 2.0, "bias": 1.0},
        "10-19": {"n": 2, "mae": pytest.approx(6.05), "bias": pytest.approx(6.05)},
        "110-119": {"n": 1, "mae": 2.0, "bias": 2.0},
    }


def test_the_report_separates_exact_ages_intervals_and_unknown():
    pred = np.array([20.0, 36.0, 12.0, 50.0, np.nan])
    low = np.array([22.0, 30.0, 3.0, 40.0, np.nan])
    high = np.array([22.0, 30.0, 9.0, 60.0, np.nan])
    figures = age_metrics(pred, low, high, seed=0)
    assert figures["n"] == 4 and figures["n_exact"] == 2
    assert figures["mae"] == 4 and figures["rmse"] == pytest.approx(20**0.5) and figures["cs5"] == 0.5
    assert figures["distance"] == pytest.approx((2 + 6 + 3 + 0) / 4)
    assert figures["mae_ci95"] == [2, 6]
    assert figures["by_decade"] == {"20-29": {"n": 1, "mae": 2, "bias": -2}, "30-39": {"n": 1, "mae": 6, "bias": 6}}


def test_for_exact_ages_distance_is_mae_and_lies_in_its_interval(faces):
    pred, age = faces
    figures = age_metrics(pred, age, age, seed=0)
    assert figures["distance"] == pytest.approx(figures["mae"]) == pytest.approx(mean_absolute_error(age, pred))
    assert figures["mae_ci95"][0] < figures["mae"] < figures["mae_ci95"][1]
    assert sum(decade["n"] for decade in figures["by_decade"].values()) == figures["n"] == 500


@pytest.mark.parametrize(
    "low, high, distance", [([], [], None), ([np.nan, np.nan], [np.nan, np.nan], None), ([3.0, 3.0], [9.0, 9.0], 0.0)]
)
def test_nothing_to_measure_gives_none_and_plain_json(low, high, distance):
    figures = age_metrics(np.full(len(low), 5.0), low, high, seed=0)
    none = dict.fromkeys(("mae", "mae_ci95", "rmse", "cs5"))
    assert figures == {"n": 0 if distance is None else 2, "n_exact": 0, **none, "distance": distance, "by_decade": {}}
    json.dumps(figures, allow_nan=False)


def test_a_report_is_plain_json(faces):
    pred, age = faces
    assert json.loads(json.dumps(age_metrics(pred, age, age, seed=0), allow_nan=False))["n"] == 500


def test_a_single_face_has_figures():
    assert age_metrics([30.0], [31.0], [31.0], seed=0)["mae_ci95"] == [1, 1]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_predictions_that_are_not_numbers_are_an_error(broken):
    with pytest.raises(AgeGenderError, match="1 of 2 predicted ages are not finite"):
        age_metrics([30.0, broken], [31.0, 40.0], [31.0, 49.0], seed=0)
