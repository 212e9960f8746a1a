"""How the value of a metric is printed."""

from agegender.metrics.metric import Metric
from agegender.metrics.registry import BY_KEY


def test_units_are_printed() -> None:
    assert BY_KEY["age_mae"].text(4.567) == "4.57"
    assert BY_KEY["age_cs5"].text(0.5) == "50.00%" and BY_KEY["age_cs5"].text(0.5, decimals=1) == "50.0%"
    assert BY_KEY["latency_ms"].text(8) == "8.0 ms"


def test_the_sign_of_a_difference_and_of_a_bias_is_printed() -> None:
    assert BY_KEY["age_mae"].text(0.5, sign="+") == "+0.50" and BY_KEY["gender_accuracy"].text(0.01, sign="+") == "+1.00%"
    assert BY_KEY["age_bias"].text(0.5) == "+0.50" and BY_KEY["age_bias"].text(-0.5) == "-0.50"


def test_an_axis_names_the_unit() -> None:
    assert [BY_KEY[key].label for key in ("age_mae", "age_cs5", "loss")] == ["MAE (years)", "CS@5", "loss"]


def test_a_proportion_is_a_mean_of_right_and_wrong() -> None:
    proportions = {key for key, metric in BY_KEY.items() if metric.is_proportion}
    assert {"age_cs5", "age_class_accuracy", "gender_accuracy"} <= proportions
    assert not {"age_mae", "gender_f1", "age_range_balanced_accuracy"} & proportions
    assert not Metric("key", "title", "meaning", "share", "larger", None).is_computed
