"""What a paper block may hold."""

import pytest

from agegender.configuration.paper import SPLITS, by_split_problems, metric_problems
from agegender.sources import faces


def test_a_metric_of_the_registry_in_its_unit_is_right() -> None:
    assert (
        metric_problems({"test": {"age_mae": 3.45, "gender_f1_female": 0.94, "latency_ms": 8}, "val": {"gender_loss": 2}}) == []
    )


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        ({"tset": {}}, "paper.metrics.tset: unknown split. Allowed: train, val, test"),
        ({"test": 3.45}, "paper.metrics.test=3.45: expected numbers by metric"),
        ({"test": {"mae": 3.45}}, "paper.metrics.test.mae: unknown metric. Allowed: loss, age_loss, "),
        ({"test": {"age_mae": True}}, "paper.metrics.test.age_mae=True: expected a number"),
        ({"val": {"age_cs5": 64.0}}, "paper.metrics.val.age_cs5=64.0: expected a share between 0 and 1"),
    ],
)
def test_a_mistake_is_named(metrics: dict[str, object], problem: str) -> None:
    found = metric_problems(metrics)
    assert len(found) == 1 and found[0].startswith(problem)


def test_splits_have_the_same_names_everywhere() -> None:
    assert SPLITS == faces.SPLITS
    assert by_split_problems("key", {"train": 1}) == by_split_problems("key", 5) == []
