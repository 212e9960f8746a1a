"""Risk against coverage, by brute force."""

import numpy as np
import pytest

from agegender.metrics.selective import COVERAGES, curve, risk_at_coverage


def test_the_risk_is_the_mean_loss_of_the_surest_faces() -> None:
    rng = np.random.default_rng(0)
    losses, uncertainty = rng.exponential(5, 200), rng.random(200)
    order = np.argsort(uncertainty)
    expected = [losses[order[:k]].mean() for k in range(1, 201)]
    assert risk_at_coverage(losses, uncertainty).tolist() == pytest.approx(expected)
    found = curve(losses, uncertainty)
    assert found["aurc"] == pytest.approx(np.mean(expected))
    assert found["coverage"] == list(COVERAGES) and found["risk"] == pytest.approx(
        [expected[round(c * 200) - 1] for c in COVERAGES]
    )


def test_faces_of_the_same_uncertainty_share_their_loss() -> None:
    assert risk_at_coverage(np.array([0.0, 4.0, 2.0]), np.zeros(3)).tolist() == [2, 2, 2]
    risk = risk_at_coverage(np.array([8.0, 0.0, 4.0]), np.array([2.0, 1.0, 1.0]))
    assert risk.tolist() == [2, 2, 4]
    assert curve(np.array([3.0]), np.array([0.0]))["risk"] == [3.0] * len(COVERAGES)
