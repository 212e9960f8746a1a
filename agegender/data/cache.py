"""Square uint8 images at training size: decoded once into a file, or at every use."""

import errno
import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from tqdm import tqdm

from agegender.data.cache_file import build_once, cache_path, explain_errors
from agegender.data.cores import usable_cores
from agegender.data.row_file import Empty, RowFile
from agegender.errors import AgeGenderError
from agegender.sources.box import Region, region_sha256
from agegender.sources.crop import cut
from agegender.sources.images import DECODER, ImageError, decode, read, read_bytes
from agegender.sources.resizing import INTERPOLATION, WARP, Outside

cv2.setNumThreads(0)  # images are decoded in parallel threads; OpenCV's own would compete with them

LAYOUT = 1  # increase it when the content of a cache changes for a reason that is not part of its key
ROWS_PER_TASK = 32


class DecodedImages:
    """Decodes files at every use, and once for rows of one file that follow each other; indexed like an ``ImageCache``.

    Args:
        files: Image file of each row.
        size: Side of the images, pixels.
        regions: Region of each file that is used; None for the whole image. By default all images are whole.
        outside: Pixels of regions beyond the edges of an image.
    """

    def __init__(
        self, files: Sequence[Path], size: int, regions: Sequence[Region | None] = (), outside: Outside = "reflect"
    ) -> None:
        self.files = np.array([os.fspath(file) for file in files], dtype=object)
        self.size = size
        self.regions = regions or [None] * len(files)
        self.outside: Outside = outside

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Returns the images ``[B, size, size, 3]`` (uint8 RGB) of rows ``[B]``; see ``read``."""
        return self.read(rows)

    def read(self, rows: np.ndarray, empty: Empty = np.empty) -> np.ndarray:
        """Returns the images ``[B, size, size, 3]`` (uint8 RGB) of rows ``[B]``.

        Args:
            rows: The rows.
            empty: Allocates the result.

        Raises:
            ImageError: A file can no longer be read.
        """
        images = empty((len(rows), self.size, self.size, 3), np.uint8)
        for file, same in groupby(zip(images, rows.tolist(), strict=True), key=lambda one: str(self.files[one[1]])):
            picture = read(Path(file))
            for image, row in same:
                image[:] = cut(picture, self.regions[row], self.size, self.outside)
        return images


class ImageCache:
    """A file of uint8 RGB images ``[length, size, size, 3]``.

    Workers and ranks share its pages in memory. A cache file never changes: its name is a hash of the image files' contents
    and order, their regions, the size, the interpolation and the decoder. It may be deleted when no run uses it.

    Args:
        path: A complete cache file.
        length: Number of images.
        size: Side of the images, pixels.

    Raises:
        AgeGenderError: The file does not have the size of these images, so it is damaged.
    """

    def __init__(self, path: Path, length: int, size: int) -> None:
        self.path = path
        self._rows = RowFile(path, (length, size, size, 3), np.uint8)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Returns a copy of the images ``[B, size, size, 3]`` (uint8 RGB) of rows ``[B]``; see ``read``."""
        return self.read(rows)

    def read(self, rows: np.ndarray, empty: Empty = np.empty) -> np.ndarray:
        """Returns a copy of the images ``[B, size, size, 3]`` (uint8 RGB) of rows ``[B]``.

        Args:
            rows: The rows.
            empty: Allocates the result.

        Raises:
            AgeGenderError: The file has been shortened since it was opened, or it cannot be read.
        """
        return self._rows.read(rows, empty)

    @classmethod
    def open_or_build(
        cls,
        files: Sequence[Path],
        sha256s: Sequence[str],
        size: int,
        cache_dir: Path,
        progress: bool = True,
        regions: Sequence[Region | None] = (),
        outside: Outside = "reflect",
        boxes: Sequence[str] = (),
    ) -> "ImageCache":
        """Opens the cache of these images, after building it if it does not exist or is damaged.

        Args:
            files: Readable image file of each row.
            sha256s: SHA-256 of each face at the time of the scan, as ``region_sha256`` gives it.
            size: Side of the images, pixels.
            cache_dir: Folder of all caches.
            progress: Show a progress bar if there is a terminal.
            regions: Region of each file that is used; None for the whole image. By default all images are whole.
            outside: Pixels of regions beyond the edges of an image.
            boxes: Box of each face in its file, empty for the whole image, as the SHA-256 has it. By default there are none.

        Raises:
            AgeGenderError: The folder cannot be written, the disk is full, or a file has changed since the scan.
        """
        recipe = {"layout": LAYOUT, "size": size, "interpolation": INTERPOLATION, "decoder": DECODER}
        path = cache_path(cache_dir / "images", [recipe, list(sha256s), *region_recipe(regions, outside)], ".uint8")
        regions, boxes = regions or [None] * len(files), boxes or [""] * len(files)
        alternative = "decode the files at every use with loader.cache=none"
        with explain_errors("image cache", path, len(files) * size * size * 3, alternative):
            build_once(path, lambda file: _write(file, files, sha256s, size, progress, regions, outside, boxes))
            return cls(path, len(files), size)


def region_recipe(regions: Sequence[Region | None], outside: Outside) -> list[Any]:
    """The part of a cache key that regions of images add: nothing if all images are whole.

    Args:
        regions: Region of each image; None for the whole image.
        outside: Pixels of regions beyond the edges of an image.
    """
    return [] if all(region is None for region in regions) else [WARP, outside, list(regions)]


def _write(
    file: BinaryIO,
    files: Sequence[Path],
    sha256s: Sequence[str],
    size: int,
    progress: bool,
    regions: Sequence[Region | None],
    outside: Outside,
    boxes: Sequence[str],
) -> None:
    stride = size * size * 3

    def write(rows: range) -> int:
        for path, same in groupby(rows, key=lambda row: files[row]):
            faces = list(same)
            picture = _decode_scanned(path, {boxes[row]: sha256s[row] for row in faces})
            for row in faces:
                image = cut(picture, regions[row], size, outside)
                _write_all(file.fileno(), np.ascontiguousarray(image), row * stride)
        return len(rows)

    pool = ThreadPoolExecutor(usable_cores())
    try:
        _reserve(file.fileno(), len(files) * stride)
        tasks = [range(start, min(start + ROWS_PER_TASK, len(files))) for start in range(0, len(files), ROWS_PER_TASK)]
        with tqdm(total=len(files), desc=f"decoding to {size} px", unit="face", disable=None if progress else True) as bar:
            for done in pool.map(write, tasks):
                bar.update(done)
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_scanned(file: Path, sha256s: Mapping[str, str]) -> np.ndarray:
    """Decodes a file if the SHA-256 of its faces, by box, are still the same."""
    try:
        data = read_bytes(file)
        sha256 = hashlib.sha256(data).hexdigest()
        if all(region_sha256(sha256, box) == expected for box, expected in sha256s.items()):
            return decode(data)
    except ImageError as error:
        raise AgeGenderError(f"{file}: {error}; it was readable during the scan, run again") from error
    raise AgeGenderError(f"{file}: changed while the image cache was being built, run again")


def _reserve(descriptor: int, length: int) -> None:
    """Reserves disk space, so that a full disk is an error before anything is decoded; not all file systems support it."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    try:
        os.posix_fallocate(descriptor, 0, length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _write_all(descriptor: int, image: np.ndarray, offset: int) -> None:
    view = image.data.cast("B")
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
