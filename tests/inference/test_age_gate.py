"""The age gate of a prediction: its error rates are those of the test, and it is refused where they are unknown."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.evaluation.age_gate import age_gate
from agegender.evaluation.measured_faces import MeasuredFaces
from agegender.evaluation.options import Options
from agegender.inference.age_gate import AgeGate
from agegender.inference.predictor import Face

LABELS = np.repeat(np.arange(5, 45), 5)
ESTIMATES = LABELS + np.tile([-9.0, -2.0, 0.5, 4.0, 11.0], 40)


def metrics_of(low: np.ndarray = LABELS, high: np.ndarray = LABELS, split: str = "test", **options: Any) -> dict[str, Any]:
    """The ``metrics.json`` of a test of these labels."""
    gender = pd.array([0] * len(low), dtype="Int8")
    frame = pd.DataFrame({"dataset": "a", "age_low": low * 1.0, "age_high": high * 1.0, "gender": gender, "race": "x"})
    faces = MeasuredFaces.of(frame.assign(age_pred=ESTIMATES[: len(low)]), resamples=100)
    return json.loads(json.dumps({"tested": split, split: {"age_gate": age_gate(faces, Options(**options))}}))


def face(age: float | None) -> Face:
    return Face(age, None, 90, None, 0, 0.5)


@pytest.mark.parametrize(("legal", "challenge"), [(18, 25), (18, 18), (21, 30)])
def test_error_rates_equal_counts(legal: int, challenge: int) -> None:
    gate = AgeGate.measured(metrics_of(), legal, challenge)
    young, passed = legal > LABELS, challenge <= ESTIMATES
    assert (gate.under, gate.of_age) == (young.sum(), (~young).sum())
    assert gate.false_pass[0] == pytest.approx(passed[young].mean())
    assert gate.false_challenge[0] == pytest.approx((~passed)[~young].mean())
    low, high = gate.false_pass[1]
    assert low <= gate.false_pass[0] <= high


def test_youths_are_reported_at_the_thresholds_of_the_test() -> None:
    band = (LABELS >= 14) & (LABELS <= 17)
    gate = AgeGate.measured(metrics_of(), 18)
    assert gate.challenge_age == 25  # that of the test
    number, (share, _) = gate.youths
    assert number == band.sum() and share == pytest.approx((ESTIMATES[band] >= 25).mean())
    assert AgeGate.measured(metrics_of(), 18, 26).youths is None
    assert AgeGate.measured(metrics_of(legal_ages=(16,)), 16, 25).youths is None  # not all of them are below 16


def test_a_verdict_names_the_rate_of_its_error() -> None:
    gate = AgeGate.measured(metrics_of(), 18, 25)
    assert (gate.verdict(face(25.0)), gate.verdict(face(24.99))) == ("passes", "proof of age needed")
    assert f"passes ({gate.false_pass[0]:.1%} of faces under 18 pass)" == gate.explained(face(40.0))
    assert f"{gate.false_challenge[0]:.1%} of faces of 18 and older" in gate.explained(face(10.0))
    assert "does not suffice where the law asks for age verification" in gate.summary()[-1]
    assert any("95% interval" in line for line in gate.summary())


@pytest.mark.parametrize(
    ("metrics", "legal", "challenge", "message"),
    [
        (None, 18, 25, "were not measured"),
        ({"tested": "test", "test": {}}, 18, 25, "were not measured"),
        (metrics_of(split="val"), 18, 25, "on the val split, on which the model was selected"),
        (metrics_of(), 16, 25, r"for the legal ages 18, 21 only; .*legal_age=\[16\]"),
        (metrics_of(), 18, 60, "measured for 18 to 43 years only"),
        (metrics_of(low=LABELS // 10 * 10, high=LABELS // 10 * 10 + 9), 18, 25, "no faces with exact ages below 18 years"),
        (metrics_of(low=LABELS[:20], high=LABELS[:20]), 18, 25, "or none of age"),
        (
            {"tested": "test", "test": {"age_gate": {"legal_ages": {"18": {}}}}},
            18,
            25,
            r"^metrics\.json of the model cannot be used",
        ),
        ({"tested": "test", "test": [1]}, 18, 25, r"^metrics\.json of the model cannot be used"),
    ],
)
def test_a_gate_without_measured_rates_is_refused(metrics: Any, legal: int, challenge: int, message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        AgeGate.measured(metrics, legal, challenge)
