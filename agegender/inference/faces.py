"""Finds faces in photos, and cuts each out as the faces of the training were cut."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from agegender.errors import AgeGenderError
from agegender.regular_files import open_bytes


@dataclass(frozen=True)
class DetectedFace:
    """A face that a detector found.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the photo; may reach outside it.
        score: 0..1, higher is surer.
        landmarks: Eye, eye, nose, mouth corner, mouth corner, each pair from left to right in an upright photo; [5, 2] in
            pixels. None if the detector finds none; the face is then not turned upright.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray | None = None


class FaceDetector(Protocol):
    """Finds the faces in a photo."""

    def __call__(self, image: np.ndarray) -> list[DetectedFace]:
        """Returns the faces in an RGB photo, uint8 [height, width, 3]."""


class YuNet:
    """YuNet (Wu et al., "YuNet: a tiny millisecond-level face detector", 2023), run by OpenCV.

    The photo is shrunk to at most 640 pixels before. Faces from about 10 to 300 pixels of the shrunk photo are found.

    Args:
        weights: An ONNX file of YuNet, such as `face_detection_yunet_2023mar.onnx` of OpenCV's model zoo.
        score: Smallest score of a face, 0..1.

    Raises:
        AgeGenderError: The file is missing or is not a YuNet model.
    """

    SIDE = 640  # the published file has this input size

    def __init__(self, weights: str | Path, score: float = 0.7) -> None:
        log = cv2.utils.logging
        level = log.setLogLevel(log.LOG_LEVEL_ERROR)  # OpenCV 5 warns about each model that it opens
        try:
            with open_bytes(weights) as file:
                model = np.frombuffer(file.read(), np.uint8)
            self._net = cv2.FaceDetectorYN.create("onnx", model, np.empty(0, np.uint8), (self.SIDE, self.SIDE), score)
        except OSError as error:
            raise AgeGenderError(f"detector weights {weights}: cannot be read: {error.strerror or error}") from error
        except cv2.error as error:
            raise AgeGenderError(f"detector weights {weights}: OpenCV cannot read them as a YuNet model") from error
        finally:
            log.setLogLevel(level)

    def __call__(self, image: np.ndarray) -> list[DetectedFace]:
        """Returns the faces in an RGB photo, uint8 [height, width, 3], the largest first."""
        scale = min(1.0, self.SIDE / max(image.shape[:2]))
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        canvas = np.zeros((self.SIDE, self.SIDE, 3), np.uint8)
        small = image if scale == 1 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        canvas[:height, :width] = small[..., ::-1]  # YuNet was trained on BGR
        _, rows = self._net.detect(canvas)
        faces = []
        for row in rows if rows is not None else ():
            x, y, w, h = (row[:4] / scale).tolist()
            faces.append(DetectedFace((x, y, x + w, y + h), float(row[14]), row[4:14].reshape(5, 2) / scale))
        return sorted(faces, key=lambda face: (face.box[0] - face.box[2]) * (face.box[3] - face.box[1]))


@dataclass(frozen=True)
class FacePlace:
    """Where a detector finds the face in the crops that a model was trained on: so large a margin its input must have.

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
            crops: Square RGB crops as the model takes them, uint8 [S, S, 3].
            detector: The detector that will find the faces in photos.

        Raises:
            AgeGenderError: A face is found in fewer than half of the crops.
        """
        found = [(max(faces, key=lambda face: face.score), len(crop)) for crop in crops if (faces := detector(crop))]
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
        """From the plain values of a bundle."""
        landmarks = value["landmarks"]
        box = tuple(float(edge) for edge in value["box"])
        points = None if landmarks is None else tuple((float(x), float(y)) for x, y in landmarks)
        if len(box) != 4 or (points is not None and len(points) != 5):
            raise ValueError("the place of the face must have a box of 4 numbers and 5 landmarks or none")
        return cls(box, points, int(value["faces"]), int(value["images"]))


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
    if face.landmarks is not None and place.landmarks is not None:
        scale, shift = _similarity(_complex(place.landmarks) * size, _complex(face.landmarks))
    else:
        scale, shift = _box_fit([edge * size for edge in place.box], face.box)
    return _warp(image, scale, shift, size)


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


def _warp(image: np.ndarray, scale: complex, shift: complex, size: int) -> np.ndarray:
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


YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_URL = (
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/f12e12798e8314f7c074a6656816c048dcc95b7a/"
    "models/face_detection_yunet/face_detection_yunet_2023mar.onnx"
)


def yunet_file() -> Path:
    """Where the downloaded YuNet model is kept: ``$XDG_CACHE_HOME/agegender`` or ``~/.cache/agegender``."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "agegender" / "face_detection_yunet_2023mar.onnx"


def download_yunet(url: str = YUNET_URL) -> Path:
    """Downloads YuNet (233 KB, MIT licence) from OpenCV's model zoo, unless it is there.

    Raises:
        AgeGenderError: The server cannot be reached, or the file is not the expected one.
    """
    import urllib.request

    file = yunet_file()
    if file.is_file():
        return file
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            data = response.read(2**20)
    except (OSError, ValueError) as error:
        raise AgeGenderError(f"{url}: cannot be downloaded: {getattr(error, 'reason', error)}") from error
    if hashlib.sha256(data).hexdigest() != YUNET_SHA256:
        raise AgeGenderError(f"{url}: refused: its SHA-256 is not {YUNET_SHA256}")
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(file)
    return file
