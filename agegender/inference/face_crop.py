"""Cuts detected faces out of photos as the faces of the training were cut."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from agegender.errors import AgeGenderError
from agegender.inference.faces import DetectedFace, FaceDetector

FARTHEST = 10  # sides of the crop; a face lies inside of it or near it
SIDE = 224  # pixels of an upright crop in which a face is detected again


@dataclass(frozen=True)
class FacePlace:
    """Where a detector finds the face in the crops that a model was trained on: so large a margin its input must have.

    Landmarks are those of `only_face`.

    Attributes:
        box: Median box as fractions of the side of the crop: x0, y0, x1, y1.
        landmarks: Median landmarks as fractions of the side, [5][2]; None if the detector finds none.
        faces: Number of crops in which a face was found.
        images: Number of crops that were searched.
    """

    box: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...] | None
    faces: int
    images: int

    @classmethod
    def measure(cls, crops: "list[np.ndarray]", detector: FaceDetector) -> "FacePlace":
        """Measures the place on training crops.

        Args:
            crops: Square RGB crops with the margin that the model takes, uint8 [S, S, 3].
            detector: The detector that will find the faces in photos.

        Raises:
            AgeGenderError: A face is found in fewer than half of the crops.
        """
        found = [(face, len(crop)) for crop in crops if (face := only_face(crop, detector)) is not None]
        if len(found) < max(1, len(crops) / 2):
            raise AgeGenderError(
                f"the detector finds a face in {len(found)} of {len(crops)} training crops, so the margin of the crops "
                "cannot be measured"
            )
        boxes = np.median([np.divide(face.box, side) for face, side in found], axis=0)
        marks = [face.landmarks / side for face, side in found if face.landmarks is not None]
        middle = np.median(marks, axis=0).tolist() if len(marks) == len(found) else None
        landmarks = None if middle is None else tuple((x, y) for x, y in middle)
        x0, y0, x1, y1 = boxes.tolist()
        return cls((x0, y0, x1, y1), landmarks, len(found), len(crops))

    @classmethod
    def of(cls, value: dict[str, Any]) -> "FacePlace":
        """From the plain values of a bundle.

        Raises:
            ValueError: They are no place of a face.
        """
        landmarks = value["landmarks"]
        box = tuple(float(edge) for edge in value["box"])
        points = None if landmarks is None else tuple((float(x), float(y)) for x, y in landmarks)
        if len(box) != 4 or (points is not None and len(points) != 5):
            raise ValueError("the place of the face must have a box of 4 numbers and 5 landmarks or none")
        x0, y0, x1, y1 = box
        edges = np.array([*box, *(edge for point in points or () for edge in point)])
        if not (np.abs(edges) < FARTHEST).all() or x0 >= x1 or y0 >= y1 or (points is not None and len(set(points)) < 2):
            raise ValueError("the place of the face must be in fractions of the side of the crop")
        return cls(box, points, int(value["faces"]), int(value["images"]))


def only_face(crop: np.ndarray, detector: FaceDetector) -> DetectedFace | None:
    """The surest face of a crop of one face; None if none is found.

    Its landmarks are the means of those in the crop and in its mirror image, which have smaller errors.

    Args:
        crop: RGB, uint8 [height, width, 3].
        detector: The detector.
    """
    face, other = (
        max(detector(image), key=lambda face: face.score, default=None) for image in (crop, np.ascontiguousarray(crop[:, ::-1]))
    )
    if face is None or other is None or face.landmarks is None or other.landmarks is None:
        return face
    mirrored = other.landmarks[[1, 0, 2, 4, 3]] * (-1, 1) + (crop.shape[1], 0)
    return replace(face, landmarks=(face.landmarks + mirrored) / 2)


def detected_again(image: np.ndarray, face: DetectedFace, place: FacePlace, detector: FaceDetector) -> DetectedFace:
    """The face with landmarks that are found again where it is upright and large, and as in the training crops.

    In a photo the detector places the landmarks of a turned face less well.

    Args:
        image: RGB photo, uint8 [height, width, 3].
        face: A face that the detector found in it.
        place: Where the detector finds faces in the training crops.
        detector: The detector.

    Returns:
        The same face if it has no landmarks, or if it is not found again.
    """
    if face.landmarks is None or place.landmarks is None:
        return face
    scale, shift = fit(face, place, SIDE)
    again = only_face(cut_at(image, scale, shift, SIDE), detector)
    if again is None or again.landmarks is None:
        return face
    points = scale * _complex(again.landmarks) + shift
    return replace(face, landmarks=np.stack([points.real, points.imag], axis=1))


def cut(image: np.ndarray, face: DetectedFace, place: FacePlace, size: int) -> np.ndarray:
    """Cuts a face out of a photo, with the margin of the training crops and turned upright.

    The similarity transform (scale, rotation, shift) that fits the landmarks best is used, or the boxes if there are no
    landmarks. Pixels outside the photo repeat its edge by reflection.

    Args:
        image: RGB photo, uint8 [height, width, 3].
        face: A face in it.
        place: Where the face shall be in the crop.
        size: Side of the crop in pixels.

    Returns:
        RGB, uint8 [size, size, 3].
    """
    return cut_at(image, *fit(face, place, size), size)


def fit(face: DetectedFace, place: FacePlace, size: int) -> tuple[complex, complex]:
    """The similarity from the pixels of a crop of this size to those of the photo, ``scale * z + shift`` of complex numbers."""
    if face.landmarks is not None and place.landmarks is not None:
        return _similarity(_complex(place.landmarks) * size, _complex(face.landmarks))
    return _box_fit([edge * size for edge in place.box], face.box)


def _complex(points: Any) -> np.ndarray:
    points = np.asarray(points, np.float64)
    return points[:, 0] + 1j * points[:, 1]


def _similarity(source: np.ndarray, target: np.ndarray) -> tuple[complex, complex]:
    """Least-squares a and b of target = a * source + b; points of the plane as complex numbers."""
    centred = source - source.mean()
    a = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred)
    return complex(a), complex(target.mean() - a * source.mean())


def _box_fit(source: Any, target: Any) -> tuple[complex, complex]:
    """The scale and shift that map the centre and the mean side of one box to those of another."""
    (sx0, sy0, sx1, sy1), (tx0, ty0, tx1, ty1) = source, target
    a = (tx1 - tx0 + ty1 - ty0) / (sx1 - sx0 + sy1 - sy0)
    return complex(a), complex((tx0 + tx1) / 2, (ty0 + ty1) / 2) - a * complex((sx0 + sx1) / 2, (sy0 + sy1) / 2)


def cut_at(image: np.ndarray, scale: complex, shift: complex, size: int) -> np.ndarray:
    """The square of side ``size`` whose pixel z lies at ``scale * z + shift`` in the image.

    A photo that shrinks is first warped to a multiple of the size and then averaged, so that no pixel is skipped.
    """
    times = max(1, min(int(np.ceil(abs(scale))), 32))
    scale /= times
    centre = scale * (0.5 + 0.5j) + shift - (0.5 + 0.5j)  # pixel centres are at halves
    matrix = np.array([[scale.real, -scale.imag, centre.real], [scale.imag, scale.real, centre.imag]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(image, matrix, (size * times, size * times), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return large if times == 1 else cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
