"""Predicts photos and image files: the faces of each, or the reason why there is no estimate."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agegender.errors import AgeGenderError
from agegender.inference.predictor import Face, FoundFace, Photo, Predictor, rgb

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
UNREADABLE = frozenset({".heic", ".heif", ".avif", ".jxl"})  # photos too; their result says that they cannot be read
CROP_SIDE = 320  # pixels: a nearly square image of at most this size is taken as a cropped face
NO_FACE = "no face found"
NO_DETECTOR = "looks like a photo, and no face detector is there (--download-detector or --detector-weights FILE)"


class Estimates(NamedTuple):
    """What was found in a photo: faces, or the reason why there is none."""

    faces: list[Face]
    reason: str


class Result(NamedTuple):
    """What was found in a file: faces, or the reason why there is none."""

    path: Path
    faces: list[Face]
    reason: str


class Listing(NamedTuple):
    """Image files to predict, and the numbers of other files and of links to folders in the folders that were named."""

    files: list[Path]
    others: int
    links: int


def list_images(paths: Iterable[Path]) -> Listing:
    """The files among the paths, and the image files in the folders among them and in their subfolders, sorted.

    A link to a folder that lies in one of these folders is not followed: it may lead back to it.

    Raises:
        AgeGenderError: A path does not exist, or a folder cannot be listed.
    """
    files: list[Path] = []
    others = links = 0
    for path in paths:
        if not path.is_dir():
            if not os.path.lexists(path):
                raise AgeGenderError(f"{path}: there is no such file or folder")
            files.append(path)
            continue
        for parent, folders, names in os.walk(path, onerror=_cannot_be_listed):
            folders.sort()
            links += sum(os.path.islink(os.path.join(parent, folder)) for folder in folders)
            images = [name for name in sorted(names) if os.path.splitext(name)[1].lower() in SUFFIXES | UNREADABLE]
            files += [Path(parent, name) for name in images]
            others += len(names) - len(images)
    return Listing(files, others, links)


def _cannot_be_listed(error: OSError) -> None:
    raise AgeGenderError(f"{error.filename}: cannot be listed: {error.strerror}") from error


def predict_files(predictor: Predictor, files: Sequence[Path], crops_by_size: bool = False) -> Iterator[Result]:
    """Predicts files in their order; see `predict_photos`."""
    for file, (faces, reason) in zip(files, predict_photos(predictor, files, crops_by_size), strict=True):
        yield Result(file, faces, reason.removeprefix(f"{file}: "))


def predict_photos(predictor: Predictor, photos: Iterable[Photo], crops_by_size: bool = False) -> Iterator[Estimates]:
    """Predicts photos in their order. One photo is decoded at a time, and the crops of one batch are in memory.

    Args:
        predictor: With or without a detector.
        photos: A photo that cannot be used gets a reason.
        crops_by_size: Take small, nearly square images as cropped faces, and search the others with the detector.
    """
    waiting: list[tuple[list[FoundFace], str]] = []
    for photo in photos:
        waiting.append(find_faces(predictor, photo, crops_by_size))
        if sum(max(1, len(found)) for found, _ in waiting) >= predictor.batch_size:
            yield from _estimated(predictor, waiting)
            waiting = []
    yield from _estimated(predictor, waiting)


def looks_like_crop(image: np.ndarray) -> bool:
    """Whether an image [height, width, 3] is small and nearly square, as the faces of datasets are."""
    short, long = sorted(image.shape[:2])
    return long <= CROP_SIDE and long <= 1.3 * short


def find_faces(predictor: Predictor, photo: Photo, crops_by_size: bool) -> tuple[list[FoundFace], str]:
    """Finds the faces of a photo, or the reason why there is none; arguments as of `predict_photos`."""
    try:
        image = rgb(photo)
        if crops_by_size and looks_like_crop(image):
            return [predictor.whole(image)], ""
        if crops_by_size and predictor.detector is None:
            return [], NO_DETECTOR
        found = predictor.find(image)
    except AgeGenderError as error:  # the photo cannot be read, or the model takes no whole images
        return [], str(error)
    return found, "" if found else NO_FACE


def _estimated(predictor: Predictor, waiting: Sequence[tuple[list[FoundFace], str]]) -> Iterator[Estimates]:
    faces = iter(predictor.estimate([one for found, _ in waiting for one in found]))
    for found, reason in waiting:
        yield Estimates([next(faces) for _ in found], reason)
