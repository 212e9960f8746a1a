"""Commands where only the packages for prediction from a bundle are installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIGHT = """
import sys

absent = ("torch", "lightning", "hydra", "pandas", "yaml", "omegaconf", "litserve", "gradio")
sys.modules.update(dict.fromkeys(absent))  # as if they were not installed
"""


@pytest.fixture
def light(tmp_path: Path) -> Path:
    (tmp_path / "sitecustomize.py").write_text(LIGHT)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "installed"),
    [
        (["train"], "agegender"),
        (["evaluate"], "agegender"),
        (["data"], "agegender"),
        (["compare", "x"], "agegender"),
        (["export", "x", "y"], "agegender"),
        (["predict", __file__, "--model", "x"], "agegender"),
        (["serve", "--model", "x"], "'agegender[serve]'"),
        (["demo", "--model", "x"], "'agegender[demo]'"),
    ],
)
def test_one_line_says_what_to_install(command: list[str], installed: str, light: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"agegender.{command[0]}", *command[1:]],
        env={**os.environ, "PYTHONPATH": f"{light}:{ROOT}"}, cwd=light, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (1, 2) and done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ") and f"pip install {installed}" in line
