from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.annotate import COLOUR, annotate, annotate_file, caption
from agegender.inference.photos import Result
from agegender.inference.predictor import Face

FACE = Face(31.2, (20.4, 40.6), 90, None, 0, 0.25, (50.0, 60.0, 150.0, 180.0), 0.9)


def test_the_box_is_drawn_and_the_photo_is_kept() -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    drawn = annotate(image, [FACE])
    assert not image.any()
    assert tuple(drawn[120, 50]) == COLOUR and tuple(drawn[180, 100]) == COLOUR
    assert not drawn[120, 100].any()


@pytest.mark.parametrize("box", [(50.0, 60.0, 150.0, 180.0), (280.0, 5.0, 320.0, 60.0), (-20.0, -9.0, 20.0, 30.0), None])
def test_the_text_is_on_black_inside_the_picture(box: tuple[float, float, float, float] | None) -> None:
    drawn = annotate(np.full((300, 300, 3), 200, np.uint8), [replace(FACE, box=box)])
    black = (drawn == 0).all(axis=2)
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    assert rows[-1] - rows[0] > 25 and columns[-1] - columns[0] > 70  # two lines
    assert black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.5
    assert columns[0] >= 0 and (drawn[: rows[-1] + 1] == COLOUR).all(axis=2).any()


@pytest.mark.parametrize(
    ("face", "text"),
    [
        (FACE, "31 (20-41), looks male 75%"),
        (Face(31.2, None, 90, None, 0, 0.5), "31, looks female 50%"),
        (Face(None, None, 90, None, 0, 0.98), "looks female 98%"),
        (Face(7.6, None, 90, None, 0, None), "8"),
    ],
)
def test_caption(face: Face, text: str) -> None:
    assert caption(face) == text


def test_writes_a_jpeg_under_the_same_name(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "p.png"), np.full((300, 300, 3), 255, np.uint8))
    annotate_file(Result(tmp_path / "p.png", [FACE], ""), tmp_path / "out" / "p.png")
    drawn = cv2.imread(str(tmp_path / "out" / "p.jpg"))
    assert drawn.shape == (300, 300, 3) and drawn.min() < 100
    (tmp_path / "file").touch()
    with pytest.raises(AgeGenderError, match="--annotate"):
        annotate_file(Result(tmp_path / "p.png", [FACE], ""), tmp_path / "file" / "p.png")
