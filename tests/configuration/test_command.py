"""Commands: composing, help and error messages, on the real command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import hydra
import pytest

from agegender.configuration.command import compose, plain, register_resolvers
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError


def command(*arguments: str, module: str = "train", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    return subprocess.run(
        [sys.executable, "-m", f"agegender.{module}", *arguments], capture_output=True, text=True, cwd=cwd, env=environment
    )


@pytest.mark.parametrize("arguments", [("--help",), ("--cfg", "job")])
def test_help_imports_no_heavy_library(arguments: tuple[str, ...], tmp_path: Path) -> None:
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


def test_help_lists_commands_and_all_choices_of_all_groups(tmp_path: Path) -> None:
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
        ("+foo.bar=1", ["foo: unknown key", "backbone"]),
        ("image_size='${nope.x}'", ["image_size", "nope.x"]),
        ("trunk.layers=[{_target_: os.system, command: ls}]", ["os.system", "refusing"]),
    ],
)
def test_an_error_shows_the_allowed_values_and_no_traceback(override: str, expected: list[str], tmp_path: Path) -> None:
    result = command(override, cwd=tmp_path)
    assert result.returncode != 0
    for text in expected:
        assert text in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("*.yaml")), "a run began"


def test_real_faces_use_pretrained_weights_and_toy_faces_do_not() -> None:
    assert compose(["data=utkface", "data.root=/x", "backbone=resnet50"])["backbone"]["pretrained"] is True
    assert compose(["backbone=resnet50"])["backbone"]["pretrained"] is False


def test_a_directory_of_the_users_own_choices(tmp_path: Path) -> None:
    (tmp_path / "head").mkdir()
    (tmp_path / "head" / "narrow.yaml").write_text(
        "_target_: agegender.heads.dldl.DLDL\nage_range: ${age_range}\nsigma: 1.0\nexpectation_weight: 0.0\nreadout: median\n"
    )
    result = command("--config-dir", str(tmp_path), "head=narrow", "--cfg", "job", cwd=tmp_path)
    assert "sigma: 1.0" in result.stdout, result.stderr


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["image_size=${image_size}"], "image_size=${image_size}: cannot be resolved"),
        (["image_size=${nope.x}"], "image_size=${nope.x}: cannot be resolved"),
        (["~seed"], "seed"),
        (["+foo.bar=1"], "foo: unknown key"),
    ],
)
def test_values_that_cannot_be_resolved_are_named(overrides: list[str], named: str) -> None:
    register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("train", overrides)
    with pytest.raises(AgeGenderError) as error:
        plain(config)
    assert named in str(error.value)


def test_an_experiment_with_a_paper_is_accepted() -> None:
    register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("train", ["experiment=custom_cnn_128", "data.root=/faces"])
    assert plain(config)["paper"]["metrics"]["val"]["age_mae"] == 8.5


def test_an_error_of_a_resolver_is_its_own_line() -> None:
    register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("train", ["data=facebase", "data.root=/faces", "data.database=none.yaml"])
    with pytest.raises(AgeGenderError, match=r"^none.yaml cannot be read: No such file or directory$"):
        plain(config)


def test_a_mapping_that_others_refer_to_is_accepted() -> None:
    register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("train", ["+mine.size=32", "image_size=${mine.size}"])
    assert plain(config)["image_size"] == 32


@pytest.mark.parametrize("overrides", [["resume="], ["resume=file"], ["hydra.run.dir=file/below"], ["resume=absent"]])
def test_a_run_directory_that_cannot_be_used_is_one_line(overrides: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = command(*overrides, cwd=tmp_path)
    assert result.returncode == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and (overrides[0] in lines[0] or "file/below" in lines[0]), lines
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_very_long_name_is_not_printed_whole(tmp_path: Path) -> None:
    result = command(f"{'x' * 100_000}=1", cwd=tmp_path)
    assert result.returncode == 2 and "xxx" in result.stderr and len(result.stderr) < 4000
