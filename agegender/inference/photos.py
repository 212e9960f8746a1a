"""Predicts image files: one row for each face, and a row with the reason for each file without an estimate."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agegender.errors import AgeGenderError
from agegender.inference.predictor import Face, FoundFace, Predictor, rgb
from agegender.sources.images import ImageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
CROP_SIDE = 320  # pixels: a nearly square image of at most this size is taken as a cropped face
NO_FACE = "no face found"
NO_DETECTOR = "looks like a photo, not like a cropped face, and there is no face detector"


class Result(NamedTuple):
    """What was found in a file: faces, or the reason why there is none."""

    path: Path
    faces: list[Face]
    reason: str


class Listing(NamedTuple):
    """Image files to predict, and the number of other files in the folders that were named."""

    files: list[Path]
    others: int


def list_images(paths: Iterable[Path]) -> Listing:
    """The files among the paths, and the image files in the folders among them and in their subfolders, sorted.

    Raises:
        AgeGenderError: A path does not exist, or a folder cannot be listed.
    """
    files: list[Path] = []
    others = 0
    for path in paths:
        if not path.is_dir():
            if not os.path.lexists(path):
                raise AgeGenderError(f"{path}: there is no such file or folder")
            files.append(path)
            continue
        for parent, folders, names in os.walk(path, onerror=_cannot_be_listed):
            folders.sort()
            images = [name for name in sorted(names) if os.path.splitext(name)[1].lower() in SUFFIXES]
            files += [Path(parent, name) for name in images]
            others += len(names) - len(images)
    return Listing(files, others)


def _cannot_be_listed(error: OSError) -> None:
    raise AgeGenderError(f"{error.filename}: cannot be listed: {error.strerror}") from error


def predict_files(predictor: Predictor, files: Iterable[Path], crops_by_size: bool = False) -> Iterator[Result]:
    """Predicts files in their order. One photo is in memory at a time, and the crops of one batch.

    Args:
        predictor: With or without a detector.
        files: Paths of images.
        crops_by_size: Take small, nearly square images as cropped faces, and search the others with the detector.
    """
    waiting: list[tuple[Path, list[FoundFace], str]] = []
    for file in files:
        waiting.append((file, *_find(predictor, file, crops_by_size)))
        if sum(max(1, len(found)) for _, found, _ in waiting) >= predictor.batch_size:
            yield from _estimated(predictor, waiting)
            waiting = []
    yield from _estimated(predictor, waiting)


def looks_like_crop(image: np.ndarray) -> bool:
    """Whether an image [height, width, 3] is small and nearly square, as the faces of datasets are."""
    short, long = sorted(image.shape[:2])
    return long <= CROP_SIDE and long <= 1.3 * short


def _find(predictor: Predictor, file: Path, crops_by_size: bool) -> tuple[list[FoundFace], str]:
    try:
        image = rgb(file)
    except ImageError as error:
        return [], str(error).removeprefix(f"{file}: ")
    if crops_by_size and looks_like_crop(image):
        return [predictor.whole(image)], ""
    if crops_by_size and predictor.detector is None:
        return [], NO_DETECTOR
    found = predictor.find(image)
    return found, "" if found else NO_FACE


def _estimated(predictor: Predictor, waiting: Sequence[tuple[Path, list[FoundFace], str]]) -> Iterator[Result]:
    faces = iter(predictor.estimate([one for _, found, _ in waiting for one in found]))
    for path, found, reason in waiting:
        yield Result(path, [next(faces) for _ in found], reason)
