"""Features of a frozen backbone: computed once into a file, then loaded instead of images."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from agegender.data.batches import BatchIndex
from agegender.data.cache_file import build_once, cache_path, explain_errors
from agegender.data.row_file import RowFile
from agegender.regular_files import open_bytes


class FeatureCache:
    """A file of float32 features, one row per face.

    Workers and ranks share its pages in memory. A cache file never changes: its name is a hash of all values that determine
    its contents. It may be deleted when no run uses it.

    Args:
        path: A complete cache file, in NumPy's format.
        faces: ``[N]`` row in the face table of each row of the file, increasing.
        channels_last: Whether the file holds feature maps ``[C, h, w]`` as ``[h, w, C]``. The features then have the same
            memory layout as those that the backbone computes, so dropout (which depends on it) and speed are the same.
    """

    def __init__(self, path: Path, faces: np.ndarray, channels_last: bool) -> None:
        self.path = path
        self.faces = faces
        self.channels_last = channels_last
        self._features = _rows(path)

    def __getitem__(self, faces: np.ndarray) -> np.ndarray:
        """Returns a copy of the features ``[B, ...]`` of rows ``[B]`` of the face table.

        Raises:
            IndexError: The file has no features of a face.
            AgeGenderError: The file has been shortened since it was opened, or it cannot be read.
        """
        rows = np.searchsorted(self.faces, faces)
        missing = self.faces.take(rows, mode="clip") != faces
        if missing.any():
            raise IndexError(f"{self.path} has no features of row {faces[missing][0]} of the face table")
        features = self._features[rows]
        return features.transpose(0, 3, 1, 2) if self.channels_last else features

    @classmethod
    def open_or_build(
        cls,
        recipe: Sequence[Any],
        faces: np.ndarray,
        shape: Sequence[int],
        channels_last: bool,
        cache_dir: Path,
        batches: Iterable[np.ndarray],
    ) -> "FeatureCache":
        """Opens the cache of a recipe, after building it if it does not exist or is damaged.

        Args:
            recipe: The values that determine the features, in a form that JSON can represent.
            faces: Rows of the face table, increasing.
            shape: Shape of the features of one face.
            channels_last: Whether to write feature maps ``[C, h, w]`` as ``[h, w, C]``.
            cache_dir: Folder of all caches.
            batches: Features ``[B, ...]`` of all faces, in order; iterated only to build the cache.

        Raises:
            AgeGenderError: The folder cannot be written, or the disk is full.
        """
        path = cache_path(cache_dir / "features", [*recipe, channels_last], ".npy")
        alternative = "run the backbone in every epoch with views=0 in finetune"
        with explain_errors("feature cache", path, len(faces) * math.prod(shape) * 4, alternative):
            build_once(path, lambda file: _write(file, (len(faces), *shape), channels_last, batches))
            return cls(path, faces, channels_last)


class Features:
    """Features that replace the images of a split in the first epochs.

    Args:
        views: One cache for each augmented view of the images; epoch ``e`` uses view ``e % len(views)``.
        epochs: Number of epochs in which features are used.
    """

    def __init__(self, views: Sequence[FeatureCache], epochs: float) -> None:
        self.views = views
        self.epochs = epochs

    def of(self, batch: BatchIndex) -> np.ndarray | None:
        """Returns the features ``[B, ...]`` of a batch, or None if its epoch uses images."""
        return self.views[batch.epoch % len(self.views)][batch.indices] if batch.epoch < self.epochs else None


def _rows(path: Path) -> RowFile:
    """The rows of an array in a file in NumPy's format."""
    with open_bytes(path) as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return RowFile(path, shape, dtype, offset=file.tell())


def _write(file: BinaryIO, shape: tuple[int, ...], channels_last: bool, batches: Iterable[np.ndarray]) -> None:
    """Writes a file in NumPy's format batch by batch; with a memory-mapped file, a full disk would crash the process."""
    stored = (shape[0], *shape[2:], shape[1]) if channels_last else shape
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": stored})
    for batch in batches:
        rows = batch.transpose(0, 2, 3, 1) if channels_last else batch
        file.write(np.ascontiguousarray(rows, dtype="<f4").data)
