"""Features of a frozen backbone: computed once into a file, and given to the rest of the network in place of images."""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agegender.data.batches import BatchIndex
from agegender.data.cache import locked
from agegender.errors import AgeGenderError


class FeatureCache:
    """A file of float32 features, one row a face, mapped read-only into memory.

    Workers and processes share its pages. It is never changed: its name is a hash of everything that its contents
    follow from. Old ones may be deleted at will.

    Args:
        path: Of a finished cache, in NumPy's format.
        faces: ``[N]`` row of the face table for each row of the file, increasing.
        channels_last: Feature maps ``[C, h, w]`` lie in the file as ``[h, w, C]``. What goes by the order of memory, as
            speed and the noise of dropout do, then is as if the backbone had just computed them.
    """

    def __init__(self, path: Path, faces: np.ndarray, channels_last: bool) -> None:
        self.path = path
        self.faces = faces
        self.channels_last = channels_last
        self.features = np.asarray(np.load(path, mmap_mode="r"))

    def __getitem__(self, faces: np.ndarray) -> np.ndarray:
        """Maps rows of the face table ``[B]`` to a copy of their features ``[B, ...]``.

        Raises:
            IndexError: The features of a face are not here.
        """
        places = np.searchsorted(self.faces, faces)
        absent = self.faces.take(places, mode="clip") != faces
        if absent.any():
            raise IndexError(f"{self.path} has no features of row {faces[absent][0]} of the face table")
        features = self.features[places]
        return features.transpose(0, 3, 1, 2) if self.channels_last else features

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the name instead of gigabytes, for workers that are spawned."""
        return FeatureCache, (self.path, self.faces, self.channels_last)

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
        """Opens the cache of a recipe, building it first if need be; killed builds and second processes as ImageCache.

        Args:
            recipe: Plain values that the features follow from.
            faces: Rows of the face table, increasing.
            shape: Of the features of one face.
            channels_last: Whether to write feature maps ``[C, h, w]`` as ``[h, w, C]``.
            cache_dir: Folder of all caches.
            batches: Their features ``[B, ...]`` in order; asked for only when the cache is built.

        Raises:
            AgeGenderError: The folder cannot be written or is full.
        """
        key = hashlib.sha256(json.dumps([*recipe, channels_last], sort_keys=True).encode()).hexdigest()
        path = cache_dir / "features" / f"{key[:32]}.npy"
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                with locked(path):
                    if not path.exists():
                        _build(path, (len(faces), *shape), channels_last, batches)
            return cls(path, faces, channels_last)
        except OSError as error:
            raise AgeGenderError(
                f"feature cache {path} ({len(faces) * math.prod(shape) * 4 / 1e9:.3g} GB): {error.strerror or error}. Choose "
                "another folder with loader.cache_dir=FOLDER, or run the backbone in every epoch with views=0 in finetune"
            ) from error


class Features:
    """What stands for the images of a part in the first epochs.

    Args:
        views: Epoch e has number e modulo their number.
        epochs: How many epochs.
    """

    def __init__(self, views: Sequence[FeatureCache], epochs: float) -> None:
        self.views = views
        self.epochs = epochs

    def of(self, batch: BatchIndex) -> np.ndarray | None:
        """The features ``[B, ...]`` of a batch; None when its epoch has images."""
        return self.views[batch.epoch % len(self.views)][batch.indices] if batch.epoch < self.epochs else None


def _build(path: Path, shape: tuple[int, ...], channels_last: bool, batches: Iterable[np.ndarray]) -> None:
    """Writes from front to back: a mapped file would meet a full disk with a crash."""
    partial = path.with_suffix(".partial")
    stored = (shape[0], *shape[2:], shape[1]) if channels_last else shape
    try:
        with partial.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": stored})
            for batch in batches:
                rows = batch.transpose(0, 2, 3, 1) if channels_last else batch
                file.write(np.ascontiguousarray(rows, dtype="<f4").data)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
