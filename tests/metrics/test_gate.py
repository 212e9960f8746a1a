"""Rates of an age gate against hand counts, and the threshold that meets a target."""

import numpy as np
import pytest

from agegender.metrics.gate import first_below, inside, of_age, rates, under
from agegender.metrics.measure import measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.resampling import Draws

#                 9     14    15    16    17    17    18    24    10-19  3-9   unknown
LOW = np.array([9.0, 14.0, 15.0, 16.0, 17.0, 17.0, 18.0, 24.0, 10.0, 3.0, np.nan])
HIGH = np.array([9.0, 14.0, 15.0, 16.0, 17.0, 17.0, 18.0, 24.0, 19.0, 9.0, np.nan])
PRED = np.array([7.0, 18.0, 25.0, 17.9, 26.5, 16.0, 17.0, 30.0, 30.0, 2.0, 50.0])
FACES = Predictions(LOW, HIGH, np.full(11, -1), PRED)


def test_the_rates_of_the_registry_equal_hand_counts() -> None:
    values = measure(FACES)
    # under 18: 9, 14, 15, 16, 17, 17 and 3-9; of these 18, 25 and 26.5 are estimated as 18 or older
    assert values["age_minors_passed"] == pytest.approx(3 / 7)
    # 14 to 17: five faces; 25 and 26.5 are estimated as 25 or older
    assert values["age_challenge_25"] == pytest.approx(2 / 5)


def test_a_range_counts_only_on_the_side_on_which_all_its_years_are() -> None:
    assert under(FACES, 18).tolist() == [True] * 6 + [False, False, False, True, False]
    assert of_age(FACES, 18).tolist() == [False] * 6 + [True, True, False, False, False]
    assert inside(FACES, 8, 12).tolist() == [True] + [False] * 10


def test_rates_at_several_thresholds() -> None:
    young = np.flatnonzero(under(FACES, 18))
    measured = rates(PRED[young, None] >= np.array([18, 25, 40]), young, Draws(np.arange(11), 500))
    assert measured.rate.tolist() == pytest.approx([3 / 7, 2 / 7, 0])
    assert measured.interval[2].tolist() == pytest.approx([0, 1 - 0.025 ** (1 / 7)])
    drawn = measured.drawn[~np.isnan(measured.drawn).any(axis=1)]
    assert (np.diff(drawn, axis=1) <= 0).all() and 0 <= measured.interval[0, 0] < 3 / 7 < measured.interval[0, 1]
    nobody = rates(np.zeros((0, 3), dtype=bool), np.zeros(0, dtype=np.int64), Draws(np.arange(11), 50))
    assert np.isnan(nobody.rate).all() and np.isnan(nobody.interval).all()


def test_the_threshold_from_which_on_all_rates_meet_the_target() -> None:
    rates_at = np.array([[0.3, 0.1, 0.2, 0.05, 0.0], [0.3, 0.2, 0.2, 0.1, 0.09], [0.01, 0.0, 0.0, 0.0, 0.0]])
    assert first_below(rates_at, 0.05).tolist() == [3, 5, 0]
    assert int(first_below(rates_at[0], 0.1)) == 3  # not 1: the next threshold is worse
