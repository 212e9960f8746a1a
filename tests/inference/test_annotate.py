from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.annotate import COLOUR, AnnotatedFolder, annotate, caption
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


def white(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.full((300, 300, 3), 255, np.uint8))
    return path


def test_every_photo_has_a_file_of_its_own(tmp_path: Path) -> None:
    photos = [white(tmp_path / "in" / name) for name in ("p.png", "p.jpg", "p.JPEG")]
    folder = AnnotatedFolder(tmp_path / "out", photos)
    for photo in photos:
        folder.write(Result(photo, [FACE], ""))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"p.png.jpg", "p.jpg", "p.JPEG"}
    drawn = cv2.imread(str(tmp_path / "out" / "p.png.jpg"))
    assert drawn.shape == (300, 300, 3) and drawn.min() < 100


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    photo = white(tmp_path / "in" / "p.png")
    (tmp_path / "file").touch()
    with pytest.raises(AgeGenderError, match="--annotate"):
        AnnotatedFolder(tmp_path / "file" / "out", [photo]).write(Result(photo, [FACE], ""))


def test_a_photo_behind_a_link_is_not_overwritten(tmp_path: Path) -> None:
    photo = white(tmp_path / "out" / "p.jpg")
    before = photo.read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "p.jpg").symlink_to(photo)
    folder = AnnotatedFolder(tmp_path / "out", [tmp_path / "in"])
    with pytest.raises(AgeGenderError, match=r"is a link to .*, which would be overwritten"):
        folder.write(Result(tmp_path / "in" / "p.jpg", [FACE], ""))
    assert photo.read_bytes() == before
