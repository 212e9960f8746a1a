"""Only listed classes are built from plain configuration."""

import subprocess
from pathlib import Path

import pytest
from torch import nn

from agegender.configuration.build import LAYERS, build
from agegender.errors import AgeGenderError
from agegender.heads.dldl import DLDL


def test_nested_targets_are_built_innermost_first() -> None:
    head = build({"_target_": "agegender.heads.dldl.DLDL", "age_range": [0, 80], "sigma": 3.0}, "head")
    assert isinstance(head, DLDL) and head.outputs == 81
    layers = build([{"_target_": "torch.nn.Dropout", "p": 0.25}, {"_target_": "torch.nn.GELU"}], "trunk.layers")
    assert isinstance(layers[0], nn.Dropout) and layers[0].p == 0.25 and isinstance(layers[1], nn.GELU)
    assert build({"a": [1, {"b": "text"}], "c": None}, "data") == {"a": [1, {"b": "text"}], "c": None}


def test_every_listed_layer_exists() -> None:
    for name in LAYERS:
        assert issubclass(getattr(nn, name.removeprefix("torch.nn.")), nn.Module)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "torch.load",
        "torch.nn.Module.load_state_dict",
        "torch.nn.modules.lazy.warnings",
        "agegender.sources.images.os.system",  # reached through a module's own import
        "agegender.runs.provenance.subprocess.Popen",  # a class, but of another package
        "agegender.configuration.build.import_module",
        "agegender.configuration.build.build",  # a function
        "agegender.nothing.Nothing",
        "agegenderx.Evil",
        "lightning.pytorch.callbacks.lambda_function.Callable",
        "hydra.utils.instantiate",
        "agegender.models.backbones.TimmBackbone",  # reads files and asks the network: in its own section only
        "lightning.pytorch.loggers.CSVLogger",
        "torch.nn.Dropout",
        7,
        None,
    ],
)
def test_anything_else_is_refused_before_it_runs(target: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ran(*_: object, **__: object) -> None:
        raise AssertionError("code ran")

    monkeypatch.setattr(subprocess, "Popen", ran)
    monkeypatch.setattr("os.system", ran)
    with pytest.raises(AgeGenderError, match="head"):
        build({"_target_": target, "command": "true"}, "head")


def test_wrong_arguments_name_the_key_and_the_class() -> None:
    with pytest.raises(AgeGenderError, match=r"head: agegender\.heads\.dldl\.DLDL rejects .*width"):
        build({"_target_": "agegender.heads.dldl.DLDL", "age_range": [0, 80], "width": 3}, "head")


@pytest.mark.parametrize(
    ("section", "target"),
    [
        ("schedule", "lightning.pytorch.loggers.csv_logs.ExperimentWriter"),  # deletes files
        ("logger.csv", "lightning.pytorch.loggers.csv_logs.ExperimentWriter"),
        ("trunk.layers.0", "agegender.models.backbones.TimmBackbone"),
        ("optimizer", "agegender.sources.toyfaces.source.ToyFaces"),
        ("unheard.of", "agegender.heads.dldl.DLDL"),
    ],
)
def test_each_section_has_its_own_list(section: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("mine")
    with pytest.raises(AgeGenderError, match="refusing"):
        build({"_target_": target, "log_dir": str(tmp_path), "name": "resnet18", "pretrained": True}, section)
    assert (tmp_path / "metrics.csv").read_text() == "mine"


def test_values_that_a_constructor_refuses_name_the_key() -> None:
    with pytest.raises(AgeGenderError, match=r"callbacks\.ema"):
        build({"_target_": "agegender.training.ema.EMA", "decay": 2.0}, "callbacks.ema")


@pytest.mark.parametrize("widths", [[[]], [None], ["x"]])
def test_any_exception_of_a_constructor_is_one_line(widths: list) -> None:
    with pytest.raises(AgeGenderError, match=r"backbone: .*CustomCNN rejects its arguments: ") as error:
        build({"_target_": "agegender.models.custom_cnn.CustomCNN", "widths": widths}, "backbone")
    assert len(str(error.value).splitlines()) == 1


def test_an_object_in_an_argument_of_plain_values_is_refused() -> None:
    inner = {"_target_": "agegender.models.backbones.TimmBackbone", "name": "resnet18", "pretrained": True}
    for argument in (inner, [inner], {"x": inner}):
        with pytest.raises(AgeGenderError, match=r"backbone\.mean: must be plain values"):
            build({"_target_": "agegender.models.custom_cnn.CustomCNN", "mean": argument}, "backbone")
