"""Face detectors: find the faces in a photo."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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

    A larger photo is shrunk to 640 pixels before. Faces from about 10 to 300 pixels of the shrunk photo are found.

    Args:
        weights: An ONNX file of YuNet, such as `face_detection_yunet_2023mar.onnx` of OpenCV's model zoo.
        score: Smallest score of a face, 0..1.

    Raises:
        AgeGenderError: The file is missing or is not a YuNet model.
    """

    SIDE = 640  # longest side of the shrunk photo, in pixels
    MARGIN, STEP = 64, 32  # black pixels around a smaller photo; the network halves its input five times

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
        sides = (min(self.SIDE, side + self.MARGIN) for side in (height, width))
        rows, columns = (-(-side // self.STEP) * self.STEP for side in sides)
        canvas = np.zeros((rows, columns, 3), np.uint8)
        small = image if scale == 1 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        canvas[:height, :width] = small[..., ::-1]  # YuNet was trained on BGR
        self._net.setInputSize((columns, rows))
        _, found = self._net.detect(canvas)
        faces = []
        for row in found if found is not None else ():
            x, y, w, h = (row[:4] / scale).tolist()
            faces.append(DetectedFace((x, y, x + w, y + h), float(row[14]), row[4:14].reshape(5, 2) / scale))
        return sorted(faces, key=lambda face: (face.box[0] - face.box[2]) * (face.box[3] - face.box[1]))


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
