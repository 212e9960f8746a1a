"""The best point as an experiment file composes the same configuration as its overrides."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from agegender.configuration.paths import CONF
from agegender.sweeps.search.experiment import write_experiment
from agegender.train import main

LR = "optimizer.lr=0.0012345678901234567"


def composed(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """What the command composes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train", *arguments, "--cfg", "job"])
        main()
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize(
    "overrides",
    [
        [LR, "head=coral"],
        ["head=dldl", "head.sigma=2.5", LR, "backbone=resnet50", "seed=7", "tasks=[age]"],
        ["experiment=effb0_multitask", "data.root=/faces", LR, "head=cross_entropy", "optimizer=adam"],
        ["logger=[csv,tensorboard]", "callbacks=ema", LR],
        ["+head.extra=3", "~callbacks.early_stopping", LR],
        ["name='a: b # c'", "image_size=${data.image_size}", "trunk=linear512", LR],
        ["data=utkface", "data.root=/faces", "trainer.precision=bf16-mixed", "backbone.widths=[4,8]"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_the_same_configuration(overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        again = write_experiment(overrides, GlobalHydra.instance().config_loader(), tmp_path, "Best of 3 trials.")
    assert again[:3] == ["--config-dir", str(tmp_path), "experiment=best"]
    assert composed(again, capsys) == composed(overrides, capsys)
    text = (tmp_path / "experiment" / "best.yaml").read_text()
    assert text.startswith("# @package _global_\n# Best of 3 trials.\n# To train it: python -m agegender.train --config-dir")
    assert "_self_" in yaml.safe_load(text)["defaults"]
