"""Plots contain what they are given."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from agegender.comparison.discovery import read
from agegender.comparison.plots import draw_maps, overlay_curves
from agegender.comparison.rows import rows_of


def test_each_row_has_its_own_colour(write_run: Callable[..., Path], tmp_path: Path) -> None:
    one, two = write_run("a", [1.0]), write_run("b", [1.0], image_size=1)
    (two / "history.csv").write_text("epoch,val/age_mae,train/age_mae\n0,16.0,18.0\n1,15.0,13.0\n")
    rows, _ = rows_of([read(one), read(two)])
    assert overlay_curves(rows, tmp_path / "curves.png")
    image = cv2.imread(str(tmp_path / "curves.png"))
    for colour in (180, 119, 31), (14, 127, 255):  # matplotlib's C0 and C1, blue first
        assert (image == colour).all(axis=2).sum() > 50
    (one / "history.csv").unlink()
    assert not overlay_curves(rows_of([read(one)])[0], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_accuracies_of_different_age_classes_are_not_drawn_together(write_run: Callable[..., Path], tmp_path: Path) -> None:
    shapes = []
    for second in 26, 50:
        runs = [write_run(f"{second}-{n}", [1.0], head={"edges": [0, n]}, name=f"n{n}") for n in {26, second}]
        for run in runs:
            (run / "history.csv").write_text("epoch,val/age_mae,val/age_class_accuracy\n0,6.0,0.5\n1,5.0,0.6\n")
        assert overlay_curves(rows_of([read(run) for run in runs])[0], tmp_path / "curves.png")
        shapes.append(cv2.imread(str(tmp_path / "curves.png")).shape[1])
    assert shapes == [1440, 720]  # MAE and classes, MAE alone


def test_maps_are_drawn_over_the_faces(tmp_path: Path) -> None:
    faces = [np.full((32, 32, 3), 255, np.uint8)] * 2
    left = np.zeros((2, 32, 32))
    left[1, :, :16] = 1
    draw_maps(faces, ["5", "10-19"], ["a model with a name far too long for one line"], [faces], [left], tmp_path / "maps.png")
    image = cv2.imread(str(tmp_path / "maps.png")).astype(int)
    red = (image[..., 2] > 150) & (image[..., 0] < 150) & (image[..., 1] < 150)
    blue = (image[..., 0] > 150) & (image[..., 2] < 150) & (image[..., 1] < 150)
    assert 0.2 < red.sum() / blue.sum() < 0.5  # half of one map of two
