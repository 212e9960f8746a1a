"""Draws boxes and estimates on photos."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from agegender.errors import AgeGenderError
from agegender.inference.photos import Result
from agegender.inference.predictor import Face, rgb

COLOUR = (255, 176, 0)  # RGB; amber, visible to colour-blind people on skin and hair


def annotate(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """A copy of an RGB photo with a box and two lines of text for each face.

    Args:
        image: uint8 [height, width, 3].
        faces: A face without a box gets a text only.
    """
    drawn = image.copy()
    unit = max(1, round(max(image.shape[:2]) / 600))
    for face in faces:
        x0, y0, x1, y1 = (round(edge) for edge in face.box or (0, 0, image.shape[1], image.shape[0]))
        if face.box is not None:
            cv2.rectangle(drawn, (x0, y0), (x1, y1), COLOUR, unit * 2)
        _write(drawn, caption(face).split(", "), x0, y0 - unit, unit)
    return drawn


def caption(face: Face) -> str:
    """Age in years, and the more probable appearance with its probability; ASCII, since OpenCV draws no other letters."""
    parts = [] if face.age is None else [f"{face.age:.0f}"]
    if face.age is not None and face.interval is not None:
        parts = [f"{face.age:.0f} ({face.interval[0]:.0f}-{face.interval[1]:.0f})"]
    if face.probability_female is not None:
        female = face.probability_female >= 0.5
        share = face.probability_female if female else 1 - face.probability_female
        parts.append(f"looks {'female' if female else 'male'} {share:.0%}")
    return ", ".join(parts)


def _write(image: np.ndarray, lines: Sequence[str], left: int, bottom: int, unit: int) -> None:
    """Writes lines on black, the last one above ``bottom``; shifted where they would leave the picture."""
    font, size, height = cv2.FONT_HERSHEY_SIMPLEX, 0.45 * unit, 16 * unit
    width = max((cv2.getTextSize(line, font, size, unit)[0][0] for line in lines), default=0) + 4 * unit
    left = max(0, min(left, image.shape[1] - width))
    top = max(0, bottom - height * len(lines))
    image[top : top + height * len(lines), left : left + width] = 0
    for number, line in enumerate(lines, 1):
        origin = (left + 2 * unit, top + height * number - 4 * unit)
        cv2.putText(image, line, origin, font, size, COLOUR, unit, cv2.LINE_AA)


class AnnotatedFolder:
    """Writes annotated photos into a folder, in the same subfolders as the photos.

    Args:
        folder: Is made if it does not exist.
        paths: The photos and folders of photos that are predicted.

    Raises:
        AgeGenderError: The folder contains one of the paths or is inside of one. It could then overwrite a photo, and the next
            command would take its annotated photos for photos.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        self.folder = folder
        written = os.path.realpath(folder)
        for path in paths:
            read = os.path.realpath(path)
            if (common := os.path.commonpath([written, read])) in (written, read):
                lies = f"contains {path}" if common == written else f"is inside of {path}"
                raise AgeGenderError(f"--annotate {folder}: {lies}; choose another folder, so that no photo is overwritten")
        self._top = os.path.commonpath([os.path.abspath(path if path.is_dir() else path.parent) for path in paths])

    def write(self, result: Result) -> None:
        """Writes the annotated photo of a result as a JPEG; the name of another format gets ``.jpg`` at its end.

        Raises:
            AgeGenderError: The file cannot be written, or is the photo itself.
        """
        path = self.folder / os.path.relpath(os.path.abspath(result.path), self._top)
        if path.suffix.lower() not in (".jpg", ".jpeg"):
            path = path.with_name(f"{path.name}.jpg")
        pixels = annotate(rgb(result.path), result.faces)
        _, data = cv2.imencode(".jpg", pixels[..., ::-1])
        try:
            if path.exists() and path.samefile(result.path):  # a link
                raise AgeGenderError(f"--annotate {self.folder}: {result.path} is a link to {path}, which would be overwritten")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.tobytes())
        except OSError as error:
            raise AgeGenderError(f"--annotate {path}: cannot be written: {error.strerror or error}") from error
