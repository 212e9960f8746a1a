"""What ``agegender.evaluate`` accepts, and what it makes of a run's configuration."""

from pathlib import Path
from typing import Any

import pytest

from agegender.configuration.command import compose
from agegender.configuration.evaluation import audited, evaluated, validate_evaluation
from agegender.data.assemble import assemble
from agegender.errors import AgeGenderError

OTHERS = ["data=utkface", "data.root=/faces"]


@pytest.mark.parametrize(
    "overrides", [[], ["part=val", "batch_size=4", "accelerator=cpu", "root=/x"], [*OTHERS, "seen=exclude"]]
)
def test_what_is_right_passes(overrides: list[str]) -> None:
    validate_evaluation(compose(["checkpoint=run", *overrides], "evaluate"), overrides)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["part=x"], ["part=x", "train, val or test"]),
        (["batch_size=x"], ["batch_size=x", "null"]),
        (["batch_size=0"], ["batch_size=0", "at least 1"]),
        (["accelerator=foo"], ["accelerator=foo", "cpu"]),
        ([*OTHERS, "age_range=5"], ["age_range=5", "list"]),
        ([*OTHERS, "age_range=[60,21]"], ["age_range=[60, 21]", "[0, 116]"]),
        ([*OTHERS, "seed=-1"], ["seed=-1", "0 to"]),
        (["seed=-1"], ["seed=-1", "0 to"]),
        (["age_range=5"], ["age_range=5", "list"]),
        ([*OTHERS, "split.fractions=wide"], ["split.fractions=wide", "list"]),
        ([*OTHERS, "data.duplicates=all"], ["data.duplicates=all", "drop_conflicting"]),
        ([*OTHERS, "root=/x"], ["root=/x", "data.root"]),
        (["+batchsize=4"], ["batchsize: unknown key, did you mean batch_size?"]),
        (["seed=5"], ["seed=5", "data="]),
        (["split=all_test"], ["split=all_test", "data="]),
        (["age_range=[0,90]"], ["age_range=[0,90]", "data="]),
        (["seen=exclude"], ["seen=exclude", "data="]),
        ([*OTHERS, "seen=skip"], ["seen=skip", "refuse or exclude"]),
        (["crop_curve=-1"], ["crop_curve=-1", "number of faces"]),
        (["crop_curve=true", "part=train"], ["part=train", "crop_curve", "part=val"]),
    ],
)
def test_a_mistake_is_one_line_with_what_is_allowed(overrides: list[str], expected: list[str]) -> None:
    with pytest.raises(AgeGenderError) as error:
        validate_evaluation(compose(["checkpoint=run", *overrides], "evaluate"), overrides)
    for text in expected:
        assert text in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_all_mistakes_are_listed_at_once() -> None:
    with pytest.raises(AgeGenderError) as error:
        validate_evaluation(compose(["checkpoint=run", "part=x", "batch_size=x", "accelerator=foo"], "evaluate"))
    assert len(str(error.value).splitlines()) == 3


def faces_of(saved: dict[str, Any], *overrides: str) -> dict[str, Any]:
    return evaluated(saved, compose(["checkpoint=run", *overrides], "evaluate"))


def test_the_runs_configuration_is_used_with_the_changes_alone() -> None:
    saved = compose(["data=utkface", "data.root=/faces", "seed=7", "age_range=[1,90]"])
    assert faces_of(saved) == saved
    moved = faces_of(saved, "root=/moved", "batch_size=3")
    assert moved["data"]["sources"]["utkface"]["root"] == "/moved" and moved["loader"]["batch_size"] == 3
    assert saved["data"]["sources"]["utkface"]["root"] == "/faces"  # the original is left alone
    other = faces_of(saved, "data=fairface", "data.root=/other", "seed=2", "split=random")
    assert list(other["data"]["sources"]) == ["fairface"]
    assert (other["split"]["seed"], other["age_range"], other["seed"]) == (2, [0, 116], 7)


def test_a_new_root_of_several_sources_is_refused() -> None:
    saved = compose(["data=mixed", "data.utkface.root=/u", "data.fairface.root=/f"])
    with pytest.raises(AgeGenderError, match="several sources"):
        faces_of(saved, "root=/moved")


@pytest.mark.parametrize("override", ["+foo=1", "+foo.bar=1", "+trainer.x=1"])
def test_unknown_keys_are_refused(override: str) -> None:
    with pytest.raises(AgeGenderError, match=r"unknown key.* Allowed: .*batch_size"):
        validate_evaluation(compose(["checkpoint=x", override], "evaluate"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "checkpoint: must be given, as in checkpoint=RUN_DIR; for the estimates of another model, predictions=FILE.csv"),
        (["predictions=x.csv"], "predictions: data=... must say which faces these are predictions of"),
        (
            ["predictions=x.csv", "checkpoint=run", "data=utkface", "data.root=x"],
            "checkpoint and predictions: give one of them",
        ),
        (
            ["predictions=x.csv", "data=utkface", "data.root=x", "seen=exclude"],
            "seen=exclude: does not apply to predictions=",
        ),
        (["checkpoint=run", "across={utkface: x}", "data=utkface", "data.root=x"], "across and data: give one of them"),
        (["folds=x", "across={utkface: x}"], "across={utkface: x}: does not apply to folds="),
        (["checkpoint=run", "across={utkface: x}", "split.seed=a"], "split.seed=a: expected an integer"),
        (["folds=x", "part=val"], "part=val: does not apply to folds="),
        (["checkpoint=run", "out=x"], "out=x: does not apply to checkpoint="),
    ],
)
def test_settings_that_do_not_belong_together_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(AgeGenderError) as caught:
        validate_evaluation(compose(overrides, "evaluate"), overrides)
    assert str(caught.value) == message


def test_the_faces_of_predictions_are_assembled() -> None:
    config = audited(compose(["predictions=a/vendor.csv", "data=utkface", "data.root=x", "split=all_test"], "evaluate"))
    assert config["name"] == "vendor" and Path(config["predictions"]) == Path.cwd() / "a" / "vendor.csv"
    assert assemble(config).split.fractions == (0.0, 0.0, 1.0)
