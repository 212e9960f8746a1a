"""What a configuration may hold, and what a mistake in it is answered with."""

from pathlib import Path

import pytest

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.configuration.schema import default_monitor, did_you_mean, validate, validate_faces, validate_saved
from agegender.errors import AgeGenderError


def error_of(*overrides: str, name: str = "train") -> str:
    check = {"train": validate, "faces": validate_faces}[name]
    with pytest.raises(AgeGenderError) as error:
        check(compose(overrides, name))
    return str(error.value)


def test_every_choice_of_every_group_composes_and_is_valid() -> None:
    required = {
        ("split", "file"): ["split.train=a.csv", "split.test=b.csv"],
        ("split", "facebase"): ["data.root=/faces", "split.benchmark=A.yaml"],
        ("data", "facebase"): ["data.root=/faces", "data.database=A.json"],
        ("data", "folder"): ["data.root=/faces", "data.csv=faces.csv"],
        ("data", "mivolo_csv"): ["data.root=/faces", "data.csv=faces.csv"],
        ("data", "folder_names"): ["data.root=/faces", "data.pattern=x"],
        ("data", "mixed"): ["data.utkface.root=/u", "data.fairface.root=/f"],
        ("experiment", "best_cpu_mixed"): ["data.utkface.root=/u", "data.fairface.root=/f"],
    }
    checked = 0
    for group in sorted(path for path in CONF.iterdir() if path.is_dir()):
        for choice in sorted(group.glob("*.yaml")):
            extra = required.get((group.name, choice.stem), ["data.root=/faces"])
            extra += ["data.database=A.json", "split.benchmark=A.yaml"] if choice.stem.startswith("paplham_") else []
            validate(compose([f"{group.name}={choice.stem}", *extra]))
            checked += 1
    assert checked > 30


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trainer.precision=fp16", ["trainer.precision=fp16", "bf16-mixed"]),
        ("head.readout=mode", ["head.readout=mode", "expectation or median"]),
        ("+head.sgima=3", ["head.sgima", "did you mean sigma?"]),
        ("tasks=[age,race]", ["tasks", "age or gender"]),
        ("tasks=[]", ["tasks", "[age,gender]"]),
        ("tasks=[age,age]", ["tasks", "[age,gender]"]),
        ("age_range=[60,21]", ["age_range", "[0, 116]"]),
        ("image_size=0", ["image_size=0", "16"]),
        ("loader.cache=memory", ["loader.cache=memory", "disk or none"]),
        ("loader.batch_size=1.5", ["loader.batch_size=1.5", "an integer"]),
        ("+loader.seed=3", ["loader.seed: unknown key", "batch_size"]),  # the command sets it
        ("data.duplicates=drop_all", ["data.duplicates=drop_all", "drop_conflicting"]),
        ("data.missing=ignore", ["data.missing=ignore", "error or skip"]),
        ("monitor=val/gender_accuracy", ["monitor=val/gender_accuracy", "val/gender_error"]),
        ("tasks=[gender] monitor=val/age_mae", ["monitor=val/age_mae", "val/gender_error"]),
        ("tasks=[gender] monitor=val/age_class_error", ["monitor=val/age_class_error", "val/gender_error"]),
        ("monitor=valx/age_mae", ["monitor=valx/age_mae", "val/age_mae"]),
        ("seed=-1", ["seed=-1", "0 to"]),
        ("+nonsense=1", ["nonsense: unknown key", "backbone"]),
        ("+trunk.layrs=3", ["trunk.layrs: unknown key", "layers"]),
        ("+tower.aeg=[]", ["tower.aeg: unknown key", "age"]),
        ("init_from=/run +backbone.weights=/file", ["backbone.weights=/file", "not together with init_from"]),
        ("init_from=3", ["init_from=3", "a path or null"]),
        ("seen=drop", ["seen=drop", "refuse or exclude"]),
        ("trainer.max_epochs=0", ["trainer.max_epochs=0", "1 or more"]),
        ("trainer.limit_val_batches=0", ["trainer.limit_val_batches=0"]),
        ("+trainer.callbacks=null", ["trainer.callbacks: unknown key"]),
        ("seed=zero", ["seed=zero", "an integer"]),
        ("trainer.limit_train_batches=0", ["trainer.limit_train_batches=0", "to train"]),
        ("trainer.devices=-2", ["trainer.devices=-2", "1 or more"]),
        ("trainer.devices=x", ["trainer.devices=x", "auto"]),
        ("trainer.accumulate_grad_batches=0", ["trainer.accumulate_grad_batches=0", "1 or more"]),
        ("loader.num_workers=-1", ["loader.num_workers=-1", "0 or more"]),
        ("optimizer.lr=inf", ["optimizer.lr=inf", "finite"]),
        ("head.sigma=nan", ["head.sigma=nan", "finite"]),
        ("optimizer.betas=[0.9,inf]", ["optimizer.betas", "finite"]),
        ("callbacks.progress.interval=nan", ["callbacks.progress.interval=nan", "finite"]),
        ("~head", ["head: missing"]),
        ("~callbacks", ["callbacks: missing"]),
        ("+callbacks.x=1", ["callbacks.x=1", "_target_"]),
        ("data.sources=5", ["data.sources=5", "a mapping of names"]),
        ("tasks=5", ["tasks=5", "age or gender"]),
        ("backbone.mean=[{_target_:x}]", ["backbone.mean", "no _target_"]),
        ("trainer.max_epochs=null", ["trainer.max_epochs=None", "1 or more"]),
        ("callbacks.early_stopping.patience=true", ["callbacks.early_stopping.patience=True", "an integer"]),
    ],
)
def test_an_error_names_the_key_the_value_and_what_is_allowed(override: str, expected: list[str]) -> None:
    message = error_of(*override.split())
    for text in expected:
        assert text in message


def test_all_mistakes_are_listed_one_per_line() -> None:
    assert error_of("trainer.max_epochs=three", "head.sigma=wide").splitlines() == [
        "trainer.max_epochs=three: expected an integer or null",
        "head.sigma=wide: expected a number",
    ]


def test_a_value_that_others_take_over_is_reported_once() -> None:
    assert error_of("image_size=x", "backbone=resnet50") == "image_size=x: expected an integer"


def test_progress_may_be_infinite() -> None:
    validate(compose(["callbacks.progress.interval=inf"]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"head": None}, "head=None"),
        ({"data": 5}, "data=5"),
        ({"trainer": []}, "trainer=[]"),
        ({"callbacks": {"x": None}}, "callbacks.x=None"),
        ({5: 1}, "5: unknown key"),
    ],
)
def test_the_configuration_of_a_run_is_checked_and_its_file_named(change: dict, named: str) -> None:
    validate_saved(compose(), Path("run/config.yaml"))
    with pytest.raises(AgeGenderError) as error:
        validate_saved({**compose(), **change}, Path("run/config.yaml"))
    assert f"run/config.yaml: {named}" in str(error.value)
    with pytest.raises(AgeGenderError, match="missing"):
        validate_saved({}, Path("run/config.yaml"))


def test_a_missing_argument_is_named() -> None:
    assert error_of("~data.duplicates", "~head.age_range") == "data.duplicates: missing\nhead.age_range: missing"


def test_a_group_of_the_users_own_is_accepted() -> None:
    validate(compose(["+mine={a: 1}"]))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["image_size=8"], "image_size=8: expected 16 to 1024 pixels"),
        (["skipped=3"], "skipped=3: expected a path or null"),
        (["tasks=[race]"], "tasks=['race']: expected a list of age or gender"),
        (["split.fractions=wide"], "split.fractions=wide: expected a list of numbers"),
        (["+skiped=x"], "skiped: unknown key, did you mean skipped?"),
    ],
)
def test_the_configuration_of_a_folder_of_faces(overrides: list[str], expected: str) -> None:
    validate_faces(compose(["data=utkface", "data.root=/faces", "skipped=a.csv"], "faces"))
    assert error_of(*overrides, name="faces").startswith(expected)


def test_the_default_monitor_follows_the_tasks() -> None:
    assert [default_monitor(tasks) for tasks in (["age", "gender"], ["age"], ["gender"])] == [
        "val/age_distance", "val/age_distance", "val/gender_error",
    ]  # fmt: skip


def test_a_close_name_is_suggested_and_a_distant_one_is_not() -> None:
    assert did_you_mean("max_epoch", ["precision", "max_epochs"]) == ", did you mean max_epochs?"
    assert did_you_mean("colour", ["precision", "max_epochs"]) == ""
