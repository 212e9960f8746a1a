"""Configuration: what composes, and how mistakes are answered, on the real command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError


def command(*arguments: str, module: str = "train", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    return subprocess.run(
        [sys.executable, "-m", f"agegender.{module}", *arguments], capture_output=True, text=True, cwd=cwd, env=environment
    )


@pytest.mark.parametrize("arguments", [("--help",), ("--cfg", "job")])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import runpy, sys, atexit\n"
        f"sys.argv = ['agegender.train', *{arguments!r}]\n"
        "heavy = {'torch', 'lightning', 'timm', 'albumentations', 'cv2', 'pandas', 'numpy', 'torchmetrics', 'matplotlib'}\n"
        "try:\n    runpy.run_module('agegender.train', run_name='__main__')\nexcept SystemExit: pass\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    assert "backbone" in result.stdout


def test_help_shows_groups_and_commands_to_paste(tmp_path: Path) -> None:
    text = command("--help", cwd=tmp_path).stdout
    assert "python -m agegender.train backbone=resnet50" in text
    listed = dict(line.split(": ", 1) for line in text.splitlines() if re.fullmatch(r"\w+: [\w, ]+", line))
    groups = {path.name: path for path in CONF.iterdir() if path.is_dir() and path.name != "hydra"}
    assert listed == {name: ", ".join(sorted(file.stem for file in path.glob("*.yaml"))) for name, path in groups.items()}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trainer.max_epochs=three", ["trainer.max_epochs=three", "an integer"]),
        ("trainer.max_epoch=3", ["max_epoch", "did you mean max_epochs?", "precision"]),
        ("+trainer.max_epoch=3", ["trainer.max_epoch", "did you mean max_epochs?"]),
        ("backbone=resnet5", ["resnet5", "resnet50", "custom_cnn"]),
        ("data=dataset", ["data/dataset", "utkface", "toyfaces"]),  # a file that the choices share is not a choice
        ("data=utkface", ["data.root"]),
        ("nonsense=1", ["nonsense", "seed", "backbone"]),
        ("trunk.layers=[{_target_: os.system, command: ls}]", ["os.system", "refusing"]),
    ],
)
def test_a_mistake_dies_with_the_allowed_values_and_without_a_traceback(
    override: str, expected: list[str], tmp_path: Path
) -> None:
    result = command(override, cwd=tmp_path)
    assert result.returncode != 0
    for text in expected:
        assert text in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("*.yaml")), "a run began"


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
        ("trainer.max_epochs=0", ["trainer.max_epochs=0", "1 or more"]),
        ("trainer.limit_val_batches=0", ["trainer.limit_val_batches=0"]),
        ("+trainer.callbacks=null", ["trainer.callbacks: unknown key"]),
        ("seed=zero", ["seed=zero", "an integer"]),
        ("trainer.max_epochs=null", ["trainer.max_epochs=None", "1 or more"]),
        ("callbacks.early_stopping.patience=true", ["callbacks.early_stopping.patience=True", "an integer"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(override: str, expected: list[str]) -> None:
    with pytest.raises(AgeGenderError) as error:
        validate(compose(override.split()))
    for text in expected:
        assert text in str(error.value)


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


def test_every_choice_of_every_group_composes_and_is_valid() -> None:
    required = {
        ("split", "file"): ["split.train=a.csv", "split.test=b.csv"],
        ("data", "folder"): ["data.root=/faces", "data.csv=faces.csv"],
        ("data", "folder_names"): ["data.root=/faces", "data.pattern=x"],
        ("data", "mixed"): ["data.utkface.root=/u", "data.fairface.root=/f"],
    }
    checked = 0
    for group in sorted(path for path in CONF.iterdir() if path.is_dir()):
        for choice in sorted(group.glob("*.yaml")):
            extra = required.get((group.name, choice.stem), ["data.root=/faces"])
            validate(compose([f"{group.name}={choice.stem}", *extra]))
            checked += 1
    assert checked > 30


def test_all_mistakes_are_listed_at_once() -> None:
    config = compose(["trainer.max_epochs=three", "head.sigma=wide"])
    with pytest.raises(AgeGenderError) as error:
        validate(config)
    assert len(str(error.value).splitlines()) == 2


def test_real_data_asks_for_pretrained_weights_and_drawn_data_does_not() -> None:
    assert compose(["data=utkface", "data.root=/x", "backbone=resnet50"])["backbone"]["pretrained"] is True
    assert compose(["backbone=resnet50"])["backbone"]["pretrained"] is False


def test_a_folder_of_ones_own_groups(tmp_path: Path) -> None:
    (tmp_path / "head").mkdir()
    (tmp_path / "head" / "narrow.yaml").write_text(
        "_target_: agegender.heads.dldl.DLDL\nage_range: ${age_range}\nsigma: 1.0\nexpectation_weight: 0.0\nreadout: median\n"
    )
    result = command("--config-dir", str(tmp_path), "head=narrow", "--cfg", "job", cwd=tmp_path)
    assert "sigma: 1.0" in result.stdout, result.stderr
