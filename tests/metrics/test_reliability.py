"""Calibration of gender against torchmetrics and SciPy."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.metrics import log_loss as reference_log_loss
from torchmetrics.functional.classification import binary_calibration_error

from agegender.metrics.reliability import calibration_error, log_loss, reliability, scaled, temperature


def overconfident(n: int = 3000, factor: float = 2.5) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities with logits that are too large by a factor."""
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1.5, n)
    return expit(factor * true), rng.random(n) < expit(true)


@pytest.mark.parametrize("bins", [10, 15])
def test_the_calibration_error_equals_that_of_torchmetrics(bins: int) -> None:
    female, labelled = overconfident()
    expected = binary_calibration_error(torch.tensor(female), torch.tensor(labelled).long(), n_bins=bins, norm="l1")
    assert calibration_error(female, labelled, bins) == pytest.approx(float(expected), abs=1e-5)


def test_the_log_loss_equals_scikit_learn() -> None:
    female, labelled = overconfident()
    assert log_loss(female, labelled) == pytest.approx(reference_log_loss(labelled, female))


def test_the_temperature_minimises_the_loss_and_finds_the_factor() -> None:
    female, labelled = overconfident()
    best = minimize_scalar(lambda t: reference_log_loss(labelled, expit(logit(female) / t)), bounds=(0.1, 10), method="bounded")
    found = temperature(female, labelled)
    assert found == pytest.approx(best.x, rel=1e-3) == pytest.approx(2.5, rel=0.1)
    calibrated = scaled(female, found)
    assert calibrated == pytest.approx(expit(logit(female) / found))
    assert calibration_error(calibrated, labelled) < 0.4 * calibration_error(female, labelled)
    assert ((calibrated > 0.5) == (female > 0.5)).all()


def test_faces_that_do_not_determine_the_temperature_give_a_bound() -> None:
    assert temperature(np.array([0.9, 0.1]), np.array([True, False])) == pytest.approx(0.05)
    assert temperature(np.array([0.9, 0.1]), np.array([False, True])) == pytest.approx(20)
    assert np.isfinite(scaled(np.array([0.0, 1.0]), 0.05)).all()


def test_every_probability_is_in_one_bin() -> None:
    female = np.array([0.0, 0.05, 0.1, 0.1000001, 0.5, 1.0])
    rows = reliability(female, np.array([False, False, True, True, True, True]), bins=10)
    assert [row["n"] for row in rows] == [3, 1, 0, 0, 1, 0, 0, 0, 0, 1]
    assert rows[0]["labelled"] == pytest.approx(1 / 3) and rows[0]["predicted"] == pytest.approx(0.05)
    assert rows[2] == {"low": pytest.approx(0.2), "high": pytest.approx(0.3), "n": 0, "predicted": None, "labelled": None}
