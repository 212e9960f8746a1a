"""The test as loggers get it."""

import pandas as pd

from agegender.evaluation.logged_test import LoggedTest


def test_scalars_are_the_numbers_of_the_tested_split_and_the_gaps() -> None:
    values = {
        "n": 3,
        "age_mae": 2.5,
        "age_mae_ci95": [1.0, 4.0],
        "age_rmse": None,
        "fairness": {"kinds": {"race": {"age_mae": {"gap": 1.5}, "age_rmse": {"gap": None}}}},
    }
    test = LoggedTest({"tested": "val", "val": values, "test": {"n": 7}}, pd.DataFrame(), {})
    assert test.scalars == {"val/n": 3.0, "val/age_mae": 2.5, "val/gap/race/age_mae": 1.5}


def test_a_sample_is_the_same_every_time_and_in_order() -> None:
    test = LoggedTest({"tested": "val"}, pd.DataFrame({"age_pred": range(100)}), {})
    some = test.sample(5)
    assert len(some) == 5 and some.index.is_monotonic_increasing and some.equals(test.sample(5))
    assert len(test.sample(1000)) == 100
