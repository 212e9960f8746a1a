"""What an experiment may report of a paper, and how mistakes in it are answered."""

import pytest

from agegender.configuration.command import compose
from agegender.configuration.paper import paper_on
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError

PAPER = "paper={title: T, metrics: {test: {age_mae: 3.45, gender_accuracy: 0.94}}, protocol: %s}"

DATASETS = "paper={title: T, metrics: {}, by_dataset: {UTKFace: %s}}"


def test_the_block_of_a_dataset_replaces_metrics_and_changes_the_protocol() -> None:
    blocks = {"A": {"metrics": {"test": {"age_mae": 4.0}}}, "B": {"protocol": {"epochs": None, "n": {"test": 9}}}}
    paper = {
        "title": "T",
        "metrics": {"val": {"age_mae": 1.0}},
        "by_dataset": blocks,
        "protocol": {"epochs": 5, "image_size": 64},
    }
    own = paper_on(paper, ["A"])
    assert own["metrics"] == {"test": {"age_mae": 4.0}} and own["protocol"] == {"epochs": 5, "image_size": 64, "data": ["A"]}
    own = paper_on(paper, ["B"])
    assert own["metrics"] == {}
    assert own["protocol"] == {"epochs": None, "image_size": 64, "data": ["B"], "n": {"test": 9}}
    assert paper_on(paper, ["A", "B"]) == paper_on(paper, ["C"]) == paper
    assert paper_on({"title": "T", "metrics": {}}, ["A"]) == {"title": "T", "metrics": {}}


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
        (DATASETS % "{metrics: {test: {age_mae: low}}}", ["paper.by_dataset.UTKFace.metrics.test.age_mae=low", "number"]),
        (DATASETS % "{metrics: {all: {age_mae: 4}}}", ["paper.by_dataset.UTKFace.metrics.all", "train, val, test"]),
        (DATASETS % "{protocol: {epocs: 10}}", ["paper.by_dataset.UTKFace.protocol.epocs", "did you mean epochs?"]),
        (DATASETS % "{test: {age_mae: 4}}", ["paper.by_dataset.UTKFace.test", "Allowed: metrics, protocol"]),
        (DATASETS % "4.38", ["paper.by_dataset.UTKFace=4.38", "mapping with metrics"]),
        ("paper=effb0", ["paper=effb0", "mapping"]),
        ("name=[a]", ["name", "text"]),
    ],
)
def test_a_mistake_in_what_is_said_of_a_paper_is_named(paper: str, expected: list[str]) -> None:
    with pytest.raises(AgeGenderError) as error:
        validate(compose([paper]))
    for text in expected:
        assert text in str(error.value)
