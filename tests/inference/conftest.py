"""A detector that needs no weights, and photos for it."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.inference.faces import DetectedFace


@pytest.fixture
def files(faces: Path) -> list[Path]:
    """Some of the generated faces."""
    return sorted(faces.glob("*.jpg"))[:7]


class ColourDetector:
    """Finds squares of pure magenta with five dark dots as landmarks, at the places of real ones."""

    MARKS = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.35, 0.7], [0.65, 0.7]])

    def __init__(self, landmarks: bool = True) -> None:
        self.landmarks = landmarks

    def __call__(self, image: np.ndarray) -> list[DetectedFace]:
        magenta = ((image[..., 0] > 200) & (image[..., 1] < 90) & (image[..., 2] > 200)).astype(np.uint8)
        _, _, boxes, _ = cv2.connectedComponentsWithStats(magenta)
        found = []
        for x, y, w, h, area in boxes[1:]:
            if area > 30:
                marks = self.MARKS * (w, h) + (x, y) if self.landmarks else None
                found.append(DetectedFace((float(x), float(y), float(x + w), float(y + h)), 0.9, marks))
        return sorted(found, key=lambda face: face.box[0] - face.box[2])


@pytest.fixture
def detector() -> ColourDetector:
    return ColourDetector()


@pytest.fixture
def photo() -> Callable[..., np.ndarray]:
    """Draws a photo with magenta faces: ``photo((x, y, side), ...)``."""

    def draw(*faces: tuple[int, int, int], size: tuple[int, int] = (400, 600)) -> np.ndarray:
        image = np.random.default_rng(0).integers(0, 80, (*size, 3)).astype(np.uint8)
        for x, y, side in faces:
            image[y : y + side, x : x + side] = (255, 0, 255)
        return image

    return draw
