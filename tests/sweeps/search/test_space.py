"""The search space in Hydra's grammar of overrides."""

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from agegender.configuration.command import compose
from agegender.errors import AgeGenderError
from agegender.sweeps.search.space import read_space


@pytest.mark.parametrize(
    ("argument", "key", "distribution"),
    [
        ("optimizer.lr=interval(1e-4,1e-2)", "optimizer.lr", FloatDistribution(1e-4, 1e-2)),
        ("optimizer.lr=interval(1,5)", "optimizer.lr", FloatDistribution(1.0, 5.0)),
        ("optimizer.lr=tag(log, interval(1e-4,1e-2))", "optimizer.lr", FloatDistribution(1e-4, 1e-2, log=True)),
        ("n=int(interval(1,5))", "n", IntDistribution(1, 5)),
        ("n=int(tag(log,interval(1,500)))", "n", IntDistribution(1, 500, log=True)),
        ("n=range(1,10,3)", "n", IntDistribution(1, 7, step=3)),
        ("n=range(4)", "n", IntDistribution(0, 3)),
        ("n=range(5,0,-2)", "n", IntDistribution(1, 5, step=2)),
        ("n=range(0,1000000000000)", "n", IntDistribution(0, 999999999999)),
        ("n=tag(log,range(1,100))", "n", IntDistribution(1, 99, log=True)),
        ("x=range(0.5,2.0,0.5)", "x", FloatDistribution(0.5, 1.5, step=0.5)),
        ("x=range(2.0,0.5,-0.5)", "x", FloatDistribution(1.0, 2.0, step=0.5)),
        ("head=choice(dldl,coral)", "head", CategoricalDistribution(["dldl", "coral"])),
        ("head=dldl,coral", "head", CategoricalDistribution(["dldl", "coral"])),
        ("+new=choice([4,8],null_,'a b',true)", "+new", CategoricalDistribution(["[4,8]", "null_", "a\\ b", "True"])),
    ],
)
def test_the_grammar(argument: str, key: str, distribution: Any) -> None:
    space = read_space(["seed=3", argument, "~name"])
    assert dict(space.distributions) == {key: distribution}
    assert space.fixed == ["seed=3", "~name"]


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("x=interval(5,1)", "the first end of an interval must be smaller"),
        ("x=interval(1,1)", "the first end of an interval must be smaller"),
        ("x=interval(nan,1)", "must be finite"),
        ("x=interval(0,inf)", "must be finite"),
        ("x=interval(-inf,0)", "must be finite"),
        ("x=interval()", "missing a required argument: 'start'"),
        ("x=interval(1)", "missing a required argument: 'end'"),
        ("x=interval(a,b)", "str is incompatible"),
        ("x=tag(log,interval(0,1))", "greater than 0"),
        ("x=tag(log,interval(-1,1))", "greater than 0"),
        ("x=tag(log,range(0,9))", "greater than 0"),
        ("x=tag(log,range(1,9,2))", "step 1"),
        ("x=tag(log,range(0.5,2,0.5))", "step 1"),
        ("x=tag(log,choice(1,2))", "is for an interval or a range"),
        ("x=tag(fast,choice(1,2))", "unknown tag fast. Allowed: log"),
        ("x=choice(a)", "the choice has one value"),
        ("x=choice()", "empty choice is not legal"),
        ("x=choice(a,a)", "given twice"),
        ("x=range(0)", "the range has no values"),
        ("x=range(5,1)", "the range has no values"),
        ("x=range(1)", "the range has one value"),
        ("x=range(1,9,0)", "must not be 0"),
        ("x=range(0,inf)", "must be finite"),
        ("x=[interval(1,2)]", "must be the whole value"),
        ("x={a:choice(1,2)}", "must be the whole value"),
        ("~x=interval(1,2)", "cannot be searched"),
        ("x=choice(a,", "no viable alternative"),
    ],
)
def test_an_invalid_space_is_refused_in_one_line_that_names_the_override(argument: str, problem: str) -> None:
    with pytest.raises(AgeGenderError) as refused:
        read_space([argument])
    message = str(refused.value)
    assert message.startswith(f"{argument}: ") and problem in message and "\n" not in message


def test_a_key_that_is_given_twice_and_nothing_to_search_are_refused() -> None:
    with pytest.raises(AgeGenderError, match=r"x=2: x is given twice"):
        read_space(["x=choice(1,2)", "x=2"])
    with pytest.raises(AgeGenderError, match=r"nothing to search"):
        read_space(["x=2"])


def test_values_become_overrides_that_hydra_reads_as_the_same_values() -> None:
    space = read_space(["optimizer.lr=tag(log,interval(1e-7,1e-2))", "head=choice(dldl,coral)",
                        "backbone.widths=choice([4,8],[8])", "trainer.max_epochs=range(1,9)"])  # fmt: skip
    values = {"optimizer.lr": 1.2345678901234567e-05, "head": "coral", "backbone.widths": "[4,8]", "trainer.max_epochs": 3}
    config = compose(space.overrides(values))
    assert config["optimizer"]["lr"] == 1.2345678901234567e-05
    assert config["head"]["_target_"].endswith("CORAL") and config["backbone"]["widths"] == [4, 8]
    assert config["trainer"]["max_epochs"] == 3


def test_corners_have_every_choice_and_both_ends_once() -> None:
    space = read_space(["x=interval(0.0,1.0)", "head=choice(a,b,c)"])
    assert space.corners() == [
        {"x": 0.0, "head": "a"}, {"x": 1.0, "head": "a"}, {"x": 0.0, "head": "b"}, {"x": 0.0, "head": "c"}
    ]  # fmt: skip
