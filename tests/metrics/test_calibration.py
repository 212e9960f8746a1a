"""Reading a saved calibration, and the intervals that it gives for new predictions."""

import json
from typing import Any

import numpy as np
import pytest

from agegender.metrics.calibration import Calibration, categories, saved

SAVED: dict[str, Any] = {
    "schema": 1, "split": "test", "age_range": [0, 90],
    "age": {
        "n": 100, "mondrian": None,
        "levels": {
            "80": {"conformal": {"": 4.0}, "quantile": {"": -1.0}, "coverage": {"conformal": 0.8}},
            "90": {"conformal": {"": 6.0}},
        },
    },
    "gender": {"n": 100, "temperature": 2.0},
}  # fmt: skip


def test_intervals_surround_the_prediction_inside_the_age_range() -> None:
    calibration = Calibration.of(json.loads(json.dumps(SAVED)))
    assert calibration.levels == (80, 90) and calibration.reason is None
    low, high = calibration.age_interval([2.0, 40.0, 88.0])
    assert (low.tolist(), high.tolist()) == ([0, 34, 82], [8, 46, 90])
    low, high = calibration.quantile_interval([40.0, 40.0], [30.0, 40.0], [50.0, 40.5], level=80)
    assert (low.tolist(), high.tolist()) == ([31, 39.5], [49, 41])  # the ends of a negative width are exchanged
    assert calibration.probability_female([0.5, 0.9]).tolist() == pytest.approx([0.5, 0.75])


def test_a_level_that_was_not_calibrated_is_an_error_with_the_reason() -> None:
    calibration = Calibration.of(SAVED)
    with pytest.raises(ValueError, match="no age interval of 95%: allowed: 80%, 90%"):
        calibration.age_interval([40.0], level=95)
    with pytest.raises(ValueError, match="no age interval of 90%: allowed: 80%"):
        calibration.quantile_interval([40.0], [30.0], [50.0], level=90)
    none = Calibration.of({**SAVED, "age": {"reason": "only 3 faces"}, "gender": {"reason": "no gender"}})
    assert none.levels == () and none.temperature == 1
    with pytest.raises(ValueError, match="no age interval of 90%: only 3 faces"):
        none.age_interval([40.0])


def test_each_predicted_category_has_its_own_width() -> None:
    by_gender = {"mondrian": "gender", "levels": {"90": {"conformal": {"male": 3.0, "female": None}}}}
    calibration = Calibration.of({**SAVED, "age": by_gender})
    low, high = calibration.age_interval([40.0, 40.0], female=[0.2, 0.8])
    assert (low.tolist(), high.tolist()) == ([37, 0], [43, 90])
    with pytest.raises(ValueError, match="need the predicted gender"):
        calibration.age_interval([40.0])
    assert categories("age_band", np.array([1.0, 71.0, 9.5]), None).tolist() == ["0-2", "70+", "10-19"]
    assert saved({"a": float("inf"), "b": 1.0}) == {"a": None, "b": 1.0}


def test_a_later_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema 2: this version reads 1"):
        Calibration.of({**SAVED, "schema": 2})


def test_the_narrower_method_of_the_test_is_used() -> None:
    levels = {
        level: {"conformal": {"": 9.0}, "quantile": {"": 1.0}, "width": {"conformal": 18.0, "quantile": width}}
        for level, width in (("50", 12.0), ("90", 30.0))
    }
    calibration = Calibration.of({**SAVED, "age": {"levels": levels}})
    assert calibration.from_quantiles == {50}
    probabilities = np.zeros((2, 91))
    probabilities[0, 30], probabilities[1, [20, 60]] = 1, 0.5
    low, high = calibration.narrow_interval(np.array([30.0, 40.0]), 50, probabilities)
    assert low.tolist() == pytest.approx([28.75, 19]) and high.tolist() == pytest.approx([31.25, 61])
    for low, high in (calibration.narrow_interval(np.array([30.0, 40.0]), 90, probabilities),
                      calibration.narrow_interval(np.array([30.0, 40.0]), 50)):  # fmt: skip
        assert low.tolist() == [21, 31] and high.tolist() == [39, 49]
