from collections.abc import Callable

import cv2
import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.face_crop import FacePlace, cut, detected_again, only_face
from agegender.inference.faces import DetectedFace

MARKS = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.35, 0.7], [0.65, 0.7]])
PLACE = FacePlace((0.1, 0.1, 0.9, 0.9), tuple(map(tuple, MARKS.tolist())), 1, 1)


def chip(size: int = 96) -> np.ndarray:
    """A smooth pattern without symmetry."""
    y, x = np.mgrid[:size, :size] / size
    return np.stack([255 * x, 255 * y, 127 + 120 * np.sin(9 * x) * np.cos(7 * y)], axis=2).astype(np.uint8)


def placed(face: np.ndarray, angle: float, scale: float, centre: tuple[float, float]) -> tuple[np.ndarray, DetectedFace]:
    """The face turned, scaled and put into a grey photo, with what a perfect detector says."""
    side = len(face)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, scale)
    matrix[:, 2] += np.subtract(centre, (side - 1) / 2)
    photo = np.full((600, 800, 3), 127, np.uint8)
    cv2.warpAffine(face, matrix, (800, 600), photo, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)

    def moved(points: np.ndarray) -> np.ndarray:  # points in continuous coordinates: a pixel's centre is at its half
        return (points * side - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5

    corners = moved(np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]))
    box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    return photo, DetectedFace(box, 0.9, moved(MARKS))


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (0, 3.1), (0, 0.6), (25, 2), (-40, 1.3), (180, 1.5)])
def test_cut_gives_back_a_face_that_was_turned_and_scaled(angle: float, scale: float) -> None:
    photo, face = placed(chip(), angle, scale, (400.3, 290.8))
    found = cut(photo, face, PLACE, 96)
    inner = slice(4, -4)  # the edge of the pasted face is blended with the grey
    assert np.abs(found[inner, inner].astype(int) - chip()[inner, inner]).mean() < 2


def test_without_landmarks_the_box_is_fitted() -> None:
    photo, face = placed(chip(), 0, 2, (400, 300))
    found = cut(photo, DetectedFace(face.box, 0.9), PLACE, 96)
    assert np.abs(found[4:-4, 4:-4].astype(int) - chip()[4:-4, 4:-4]).mean() < 2


def test_shrinking_averages_as_pillow_does() -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    photo = cv2.GaussianBlur(rng.integers(0, 256, (512, 512, 3)).astype(np.uint8), (0, 0), 1)
    face = DetectedFace((51.2, 51.2, 460.8, 460.8), 0.9)  # the place of the box: the whole photo is the crop
    expected = np.asarray(Image.fromarray(photo).resize((64, 64), Image.Resampling.BOX)).astype(int)
    found = cut(photo, face, PLACE, 64).astype(int)
    skipped = photo[4::8, 4::8].astype(int)
    assert np.abs(found - expected).mean() < 1 < np.abs(skipped - expected).mean()


def test_outside_the_photo_its_edge_is_mirrored() -> None:
    photo = np.full((100, 100, 3), 200, np.uint8)
    assert (cut(photo, DetectedFace((-50, -50, 60, 60), 0.9), PLACE, 32) == 200).all()


def test_place_is_the_median_over_the_crops(photo: Callable[..., np.ndarray], detector: Callable) -> None:
    crops = [photo((10, 20, side), size=(100, 100)) for side in (40, 50, 60)]
    place = FacePlace.measure([*crops, photo(size=(100, 100))], detector)
    assert place.box == pytest.approx((0.1, 0.2, 0.6, 0.7))
    assert (place.faces, place.images) == (3, 4)
    assert np.allclose(place.landmarks, MARKS * 0.5 + (0.1, 0.2))
    assert FacePlace.of({"box": [*place.box], "landmarks": [*place.landmarks], "faces": 3, "images": 4}) == place


def test_place_is_unknown_if_most_crops_have_no_face(photo: Callable[..., np.ndarray], detector: Callable) -> None:
    with pytest.raises(AgeGenderError, match="finds a face in 1 of 3 training crops"):
        FacePlace.measure([photo((10, 20, 40), size=(100, 100)), *[photo(size=(100, 100))] * 2], detector)


class Marks:
    """A detector that finds the landmarks at fixed fractions of the side, too far right by 2 pixels in every image."""

    def __init__(self, marks: np.ndarray) -> None:
        self.marks = marks
        self.sides: list[int] = []

    def __call__(self, image: np.ndarray) -> list[DetectedFace]:
        self.sides.append(len(image))
        marks = self.marks if len(self.sides) % 2 else (self.marks * (-1, 1) + (1, 0))[[1, 0, 2, 4, 3]]  # then the mirror image
        other = DetectedFace((0, 0, 5, 5), 0.3, np.zeros((5, 2)))
        return [other, DetectedFace((1, 2, 3, 4), 0.8, marks * len(image) + (2, 0))]


def test_landmarks_of_a_crop_are_the_mean_with_those_of_its_mirror_image() -> None:
    marks = np.add(MARKS, (0.05, -0.02))
    face = only_face(np.zeros((50, 50, 3), np.uint8), Marks(marks))
    assert face is not None and face.score == 0.8 and face.box == (1, 2, 3, 4)
    np.testing.assert_allclose(face.landmarks, marks * 50)  # the error of 2 pixels has gone
    assert only_face(np.zeros((50, 50, 3), np.uint8), lambda image: []) is None
    boxed = DetectedFace((0, 0, 5, 5), 0.3)
    assert only_face(np.zeros((50, 50, 3), np.uint8), lambda image: [boxed]) == boxed


def test_a_face_that_is_detected_again_has_the_landmarks_of_its_upright_crop() -> None:
    photo, face = placed(chip(), 20, 1.5, (400, 300))
    detector = Marks(np.add(MARKS, (0.1, 0)))
    again = detected_again(photo, face, PLACE, detector)
    assert detector.sides == [224, 224] and (again.box, again.score) == (face.box, face.score)
    angle = np.radians(20)  # a tenth of the side of the chip along its turned rows
    shift = 0.1 * 96 * 1.5 * np.array([np.cos(angle), -np.sin(angle)])
    np.testing.assert_allclose(again.landmarks, face.landmarks + shift, atol=1e-6)


def test_a_face_without_landmarks_or_not_found_again_stays() -> None:
    photo, face = placed(chip(), 0, 1, (400, 300))
    boxed = DetectedFace(face.box, 0.9)
    for one, detector in ((boxed, Marks(MARKS)), (face, lambda image: []), (face, lambda image: [boxed])):
        assert detected_again(photo, one, PLACE, detector) is one
