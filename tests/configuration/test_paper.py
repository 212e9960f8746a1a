"""What an experiment may report of a paper, and how mistakes in it are answered."""

import pytest

from agegender.configuration.command import compose
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError

PAPER = "paper={title: T, metrics: {test: {age_mae: 3.45, gender_accuracy: 0.94}}, protocol: %s}"


def test_an_experiment_may_name_a_paper_with_its_metrics_and_protocol() -> None:
    validate(compose([PAPER % "{data: [utkface], n: {test: 3556}, epochs: 10, notes: [subset unpublished]}", "name=ours"]))
    validate(compose([PAPER % "null"]))


@pytest.mark.parametrize(
    ("paper", "expected"),
    [
        (PAPER % "{epocs: 10}", ["paper.protocol.epocs", "did you mean epochs?"]),
        (PAPER % "{epochs: ten}", ["paper.protocol.epochs=ten", "an integer"]),
        (PAPER % "{n: {tset: 3556}}", ["paper.protocol.n.tset", "train, val, test"]),
        ("paper={title: T}", ["paper.metrics: missing"]),
        ("paper={title: T, metrics: {age_mae: 3.45}}", ["paper.metrics.age_mae", "train, val, test"]),
        ("paper={title: T, metrics: {test: {age_mae: about 4}}}", ["paper.metrics.test.age_mae=about 4", "number", "notes"]),
        ("paper={title: T, metrics: {test: {gender_accuracy: 94}}}", ["gender_accuracy=94", "between 0 and 1"]),
        ("paper=effb0", ["paper=effb0", "mapping"]),
        ("name=[a]", ["name", "text"]),
    ],
)
def test_a_mistake_in_what_is_said_of_a_paper_is_named(paper: str, expected: list[str]) -> None:
    with pytest.raises(AgeGenderError) as error:
        validate(compose([paper]))
    for text in expected:
        assert text in str(error.value)
