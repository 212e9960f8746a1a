"""A disk that is full: the command ends with one line that names a file, and no file is half written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Bytes of the largest file that can be written: less than a checkpoint, a picture, or predictions.
LARGEST = (30_000, 20_000, 12_000, 6_000, 3_000)


def must_be_whole(folder: Path) -> None:
    for file in folder.rglob("*"):
        assert "partial" not in file.name, file
        if file.suffix == ".json":
            json.loads(file.read_text())
        if file.suffix == ".png":
            assert file.read_bytes().endswith(b"IEND\xaeB`\x82"), file


@pytest.mark.parametrize("largest", LARGEST)
def test_train(world: Any, run_dir: Path, largest: int) -> None:
    result = world.train("loader.cache=none", f"hydra.run.dir={world.runs / f'full-{largest}'}", largest=largest)
    result.must_be_decent(str(world.runs))
    assert result.status == 1, result.output
    must_be_whole(world.runs / f"full-{largest}")


@pytest.mark.parametrize("largest", LARGEST[1:])
def test_evaluate(world: Any, damaged: Callable[[str], Path], largest: int) -> None:
    run = damaged(f"full-evaluate-{largest}")
    result = world("agegender.evaluate", f"checkpoint={run}", largest=largest)
    result.must_be_decent(str(run))
    assert result.status in (1, 2), result.output  # 2: a file of the cache
    must_be_whole(run / "evaluation")


@pytest.mark.parametrize("largest", LARGEST[2:])
def test_compare(world: Any, run_dir: Path, largest: int) -> None:
    out = world.runs / f"full-compare-{largest}"
    result = world("agegender.compare", str(run_dir), "--out", str(out), largest=largest)
    result.must_be_decent(str(out))
    assert result.status == 1, result.output
    must_be_whole(out)
