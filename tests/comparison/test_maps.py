"""Maps are drawn for the models that have them; the others are named with the reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agegender.comparison import maps
from agegender.comparison.comparison import Comparison, comparisons
from agegender.comparison.discovery import read
from agegender.comparison.rows import rows_of
from agegender.heads.gender import GenderBCE
from agegender.heads.regression import Regression
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network

Drawn = list[dict[str, Any]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What would be drawn, call by call."""
    calls: Drawn = []
    names = ("images", "labels", "names", "inputs", "maps", "path")
    monkeypatch.setattr(maps, "draw_maps", lambda *given: calls.append(dict(zip(names, given, strict=True))))
    return calls


def table(write_run: Callable[..., Path], faces: Path, count: int = 4, **settings: Any) -> Comparison:
    faces.mkdir()
    for number in range(count):
        cv2.imwrite(str(faces / f"face{number:04d}.jpg"), np.full((24, 24, 3), 50 * number, np.uint8))
    source = {"_target_": "agegender.sources.utkface.UTKFace", "root": str(faces)}
    folder = write_run("run", [1.0] * count, right=[True] * count, data={"sources": {"utkface": source}}, **settings)
    return comparisons(rows_of([read(folder)])[0])[0]


def network(*tasks: str) -> Network:
    heads = {"age": Regression((0, 116)), "gender": GenderBCE()}
    return Network(CustomCNN((4,)), "avg", [], {}, {task: heads[task] for task in tasks}, 16)


@pytest.mark.parametrize(
    ("task", "labels", "explained"),
    [(None, ["20", "21", "23"], "age"), ("age", ["20", "21", "23"], "age"), ("gender", ["male", "female", "female"], "gender")],
)
def test_faces_are_labelled_with_the_explained_task(
    task: str | None, labels: list[str], explained: str, write_run: Callable[..., Path], tmp_path: Path, drawn: Drawn
) -> None:
    comparison = table(write_run, tmp_path / "faces", name="ours")
    assert maps.draw(comparison, 3, task, lambda run: network("age", "gender"), tmp_path / "maps.png") == []
    (call,) = drawn
    assert (call["labels"], call["names"]) == (labels, [f"ours: {explained}"])
    assert [image[0, 0, 0] for image in call["images"]] == [0, 50, 150] and call["maps"][0].shape == (3, 16, 16)


def test_a_model_without_maps_is_named_with_the_reason(write_run: Callable[..., Path], tmp_path: Path, drawn: Drawn) -> None:
    def broken(run: Any) -> Network:
        raise OSError("no such checkpoint")

    comparison = table(write_run, tmp_path / "faces", name="ours")
    assert maps.draw(comparison, 2, None, broken, tmp_path / "x") == ["No Grad-CAM of ours: no such checkpoint"]
    lines = maps.draw(comparison, 2, "gender", lambda run: network("age"), tmp_path / "x")
    assert lines == ["No Grad-CAM of ours: --task gender: it has no such task"]
    (tmp_path / "faces" / "face0000.jpg").unlink()
    (line,) = maps.draw(comparison, 2, None, lambda run: network("age"), tmp_path / "x")
    assert line.startswith("No Grad-CAM: ") and "face0000.jpg" in line
    (comparison.sample.path / "predictions.parquet").unlink()
    blind = Comparison([*rows_of([read(comparison.sample.path)])[0]])
    (line,) = maps.draw(blind, 2, None, lambda run: network("age"), tmp_path / "x")
    assert "kept no predictions" in line and not drawn
