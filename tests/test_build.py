"""Only listed classes are built from plain configuration."""

import subprocess
from pathlib import Path

import pytest
from torch import nn

from agegender.build import LAYERS, build
from agegender.errors import AgeGenderError
from agegender.heads.dldl import DLDL


def test_nested_targets_are_built_innermost_first() -> None:
    head = build({"_target_": "agegender.heads.dldl.DLDL", "age_range": [0, 80], "sigma": 3.0})
    assert isinstance(head, DLDL) and head.outputs == 81
    layers = build([{"_target_": "torch.nn.Dropout", "p": 0.25}, {"_target_": "torch.nn.GELU"}])
    assert isinstance(layers[0], nn.Dropout) and layers[0].p == 0.25 and isinstance(layers[1], nn.GELU)
    assert build({"a": [1, {"b": "text"}], "c": None}) == {"a": [1, {"b": "text"}], "c": None}


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
        "agegender.training.run.subprocess.Popen",  # a class, but of another package
        "agegender.build.import_module",
        "agegender.build.build",  # a function
        "agegender.nothing.Nothing",
        "agegenderx.Evil",
        "lightning.pytorch.callbacks.lambda_function.Callable",
        "hydra.utils.instantiate",
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
    with pytest.raises(AgeGenderError, match=r"head: agegender\.heads\.dldl\.DLDL refuses .*width"):
        build({"_target_": "agegender.heads.dldl.DLDL", "age_range": [0, 80], "width": 3}, "head")
