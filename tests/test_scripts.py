"""The scripts run, each at its smallest size, and print their results."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agegender.runs.run_directory import RunDirectory
from agegender.train import train

PROJECT = Path(__file__).parents[1]
BENCHMARKS = {
    "benchmark_frozen.py": (
        ["--faces=40", "--epochs=2", "--backbone=custom_cnn", "--image-size=16"],
        [r"custom_cnn at 16 px, 32-true, 40 faces, 2 epochs", r"times faster; largest weight .* largest difference"],
    ),
    "benchmark_loading.py": (
        ["--faces=8", "--size=16", "--augment=flip", "--batch-size=4", "--rounds=1", "--workers", "0", "1"],
        [r"8 faces, .* 16 px, augment=flip, batches of 4, 1 rounds", r"1 workers +\d+ us an image +\d+ images/s"],
    ),
    "benchmark_report.py": (
        ["--faces", "200"],
        [r"faces +metrics +report +page +figures +peak memory", r" 200 +[\d.]+ s +[\d.]+ s +\d+ kB +\d+ kB +[\d.]+ GB"],
    ),
    "benchmark_search.py": (
        ["--trials=110", "--parallel=20"],
        [r"composing a job: 0\.\d+ CPU seconds", r"trials +s an ask +CPU s a trial +KB a trial", r" 100 .*\n +110 +0\.\d+ +\d"],
    ),
    "benchmark_evaluation.py": (
        ["--faces=200", "--groups=3", "--resamples=100", "--tables", "100"],
        [
            r"bootstrap: \d+ metrics, 200 faces, 3 groups, 100 resamples: [\d.]+ s",
            r"analysis:  100 faces, [\d,]+ rows of groups.csv",
        ],
    ),
    "benchmark_training.py": (
        ["--faces=80", "--rounds=1"],
        [r"2 steps of 32 faces, 1 thread", r"Lightning compared with a plain loop", r"cache compared with memory"],
    ),
}


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, PROJECT / "scripts" / script, *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", BENCHMARKS)
def test_benchmarks(script: str) -> None:
    arguments, expected = BENCHMARKS[script]
    printed = run(script, *arguments)
    for pattern in expected:
        assert re.search(pattern, printed), printed


def test_measured_recall_and_matches_of_near_copies(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(6):
        coarse = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC))
    cv2.imwrite(str(tmp_path / "copy.jpg"), cv2.imread(str(tmp_path / "3.png")))
    printed = run(
        "measure_near_copies.py", str(tmp_path), "--copies=3", f"--sheets={tmp_path / 'pairs'}", "--from=0", "--to=32"
    )
    assert "7 faces, 7 different files; 3 faces copied in each way" in printed
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.strip()[:1].isdigit()}
    assert rows["32"] == ["100.0%"] * 7 + ["1"]  # the recall of seven ways to copy, and one match
    assert len(list((tmp_path / "pairs").iterdir())) == 1


def test_measured_fits_of_images_that_are_not_square(
    configure: Callable[..., dict[str, Any]], faces: Path, tmp_path: Path
) -> None:
    train(configure("trainer.max_epochs=1", "test=false", "logger=none"), RunDirectory(tmp_path / "run"))
    scales = ["--scales", "1", "0.8"]
    printed = run("measure_fit.py", str(tmp_path / "run"), "--outside=black", *scales)
    rows = {tuple(words[:-2]): words[-2:] for line in printed.splitlines()[2:] if (words := line.split())}
    assert "16 px; 6 faces of utkface" in printed and len(rows) == 18
    assert rows["whole", "crop", "1.00"] == rows["whole", "stretch", "1.00"] == rows["whole", "pad", "1.00", "black"]
    assert rows["narrow", "1.28", "crop", "1.00"] != rows["narrow", "1.28", "pad", "1.00", "black"]
    others = run("measure_fit.py", str(tmp_path / "run"), "data=utkface", f"data.root={faces}", "--shapes=narrow", *scales)
    assert "60 faces of utkface" in others and others.count("narrow 1.28") == 6
