"""The hints after an unknown key, on the real command line; `test_command.py` has those of a single run."""

import os
import subprocess
import sys
from pathlib import Path

from agegender.configuration.paths import CONF


def errors(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "agegender.train", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    result = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    return result.stderr


def test_a_key_of_swept_choices_alone_is_given_with_plus_signs(tmp_path: Path) -> None:
    sweep = ["-m", "backbone=mobilenetv1,mobilenetv2", "data.root=faces", "seed=0"]
    printed = errors(*sweep, "backbone.weights=absent.safetensors", cwd=tmp_path)
    hint = "the default choices of the groups that this sweep varies have no backbone.weights: write ++backbone.weights=..."
    assert [line for line in printed.splitlines() if "++" in line] == [f"{hint} for all its jobs"]


def test_a_misspelled_key_of_a_sweep_is_named(tmp_path: Path) -> None:
    printed = errors("-m", "backbone=mobilenetv1,mobilenetv2", "data.root=faces", "seed2=1", cwd=tmp_path)
    assert "has no 'seed2', did you mean seed?" in printed and "++" not in printed
