"""An epoch in the log and as curves: what was measured, and no metric twice."""

from pathlib import Path

import cv2
import pytest

from agegender.training.history import draw_curves, in_words

EXACT = {"train/loss": 2.0, "val/loss": 3.0, "train/age_mae": 5.0, "val/age_mae": 6.0, "val/age_distance": 6.0}
MIXED = {**EXACT, "val/age_distance": 4.0, "val/utkface/age_mae": 6.0, "val/fairface/age_distance": 2.5, "val/age_cs5": 0.5}


def test_an_epoch_in_words() -> None:
    assert in_words(EXACT) == "train loss 2.000 MAE (years) 5.000  |  val loss 3.000 MAE (years) 6.000"
    assert in_words({"val/loss": 1.0, "val/age_distance": 4.0}) == "val loss 1.000 label distance (years) 4.000"
    assert in_words(MIXED) == (
        "train loss 2.000 MAE (years) 5.000  |  val loss 3.000 MAE (years) 6.000 label distance (years) 4.000  |  "
        "val/fairface label distance (years) 2.500  |  val/utkface MAE (years) 6.000"
    )


@pytest.mark.parametrize(("metrics", "axes"), [(EXACT, 2), (MIXED, 3), ({"val/gender_accuracy": 0.5}, 1)])
def test_curves_are_drawn_for_what_was_measured(tmp_path: Path, metrics: dict[str, float], axes: int) -> None:
    rows = [{"epoch": epoch, "steps": 1, "seconds": 1.0, "lr": 0.1, **metrics} for epoch in range(3)]
    draw_curves(rows, tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")).shape[1] == axes * 5 * 120
