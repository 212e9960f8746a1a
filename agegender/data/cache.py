"""Faces as uint8 squares at training size: decoded once into a memory-mapped file, or at every use."""

import errno
import fcntl
import hashlib
import json
import logging
import mmap
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from agegender.errors import AgeGenderError
from agegender.sources.images import DECODER, ImageError, decode, read, read_bytes
from agegender.sources.resizing import INTERPOLATION, squared

cv2.setNumThreads(0)  # the threads are ours, one image each

LAYOUT = 1  # raise it when the bytes of a cache would change for a reason that its key does not name
ROWS_A_TASK = 32

log = logging.getLogger(__name__)


def cache_root(cache_dir: str | Path | None) -> Path:
    """The folder for everything that is remembered between runs.

    Args:
        cache_dir: ``loader.cache_dir``; None for ``$XDG_CACHE_HOME/agegender`` or ``~/.cache/agegender``.
    """
    if cache_dir is not None:
        return Path(cache_dir).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agegender"


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class DecodedImages:
    """Decodes files at every use, with the same indexing as ``ImageCache``.

    Args:
        files: One image file a row.
        size: Side of the images, pixels.
    """

    def __init__(self, files: Sequence[Path], size: int) -> None:
        self.files = np.array([os.fspath(file) for file in files], dtype=object)
        self.size = size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Maps rows ``[B]`` to ``[B, size, size, 3]`` uint8 RGB.

        Raises:
            ImageError: A file cannot be read any more.
        """
        images = np.empty((len(rows), self.size, self.size, 3), dtype=np.uint8)
        for image, file in zip(images, self.files[rows], strict=True):
            image[:] = squared(read(Path(file)), self.size)
        return images


class ImageCache:
    """A file of uint8 images, one row of ``[size, size, 3]`` RGB a face, mapped read-only into memory.

    Workers and ranks share its pages. A cache is never changed: its name is a hash of the images' contents in order,
    the size, the interpolation and the decoder, so other contents make another cache. Old ones may be deleted at will.

    Args:
        path: Of a finished cache.
        length: Number of images.
        size: Side of the images, pixels.

    Raises:
        AgeGenderError: The file is not as long as that: somebody or a disk has damaged it.
    """

    def __init__(self, path: Path, length: int, size: int) -> None:
        self.path = path
        found, expected = path.stat().st_size, length * size * size * 3
        if found != expected:
            raise AgeGenderError(f"image cache {path}: {found} bytes where {expected} are expected: damaged, delete it")
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.images = np.frombuffer(self._map, dtype=np.uint8).reshape(length, size, size, 3)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Maps rows ``[B]`` to a copy ``[B, size, size, 3]`` uint8 RGB."""
        # Ask for all rows at once: on a disk that has to be read, several times faster than page fault by page fault.
        stride = self.images.strides[0]
        for row in rows.tolist():
            page = row * stride // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, page, row * stride + stride - page)
        return self.images[rows]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the name instead of gigabytes, for workers that are spawned."""
        return ImageCache, (self.path, len(self.images), self.images.shape[1])

    @classmethod
    def open_or_build(
        cls, files: Sequence[Path], sha256s: Sequence[str], size: int, cache_dir: Path, progress: bool = True
    ) -> "ImageCache":
        """Opens the cache of these images, building it first if need be.

        A build writes beside the final name and renames at the end, so a killed one leaves nothing that could be
        mistaken for a cache; a second process waits for the first and opens its result.

        Args:
            files: One readable image a row.
            sha256s: SHA-256 of each file's bytes (hex), as it was scanned.
            size: Side of the images, pixels.
            cache_dir: Folder of all caches.
            progress: Show a bar if there is a terminal.

        Raises:
            AgeGenderError: The folder cannot be written or is full, or a file has changed since it was scanned.
        """
        recipe = {"layout": LAYOUT, "size": size, "interpolation": INTERPOLATION, "decoder": DECODER}
        key = hashlib.sha256(json.dumps([recipe, list(sha256s)], sort_keys=True).encode()).hexdigest()
        path = cache_dir / "images" / f"{key[:32]}.uint8"
        total = len(files) * size * size * 3
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                with locked(path):
                    if not path.exists():
                        _build(path, files, sha256s, size, progress)
            return cls(path, len(files), size)
        except OSError as error:
            raise AgeGenderError(
                f"image cache {path} ({total / 1e9:.2f} GB): {error.strerror or error}. Choose another folder with "
                "loader.cache_dir=FOLDER, or decode the files at every use with loader.cache=none"
            ) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the exclusive right to build a file, which the system takes back when the process dies."""
    with path.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is building %s: waiting for it", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(path: Path, files: Sequence[Path], sha256s: Sequence[str], size: int, progress: bool) -> None:
    partial = path.with_suffix(".partial")
    stride = size * size * 3

    def write(rows: range) -> int:
        for row in rows:
            image = squared(_decode_scanned(files[row], sha256s[row]), size)
            _write_all(descriptor, np.ascontiguousarray(image), row * stride)
        return len(rows)

    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    pool = ThreadPoolExecutor(usable_cores())
    try:
        _reserve(descriptor, len(files) * stride)
        tasks = [range(start, min(start + ROWS_A_TASK, len(files))) for start in range(0, len(files), ROWS_A_TASK)]
        with tqdm(total=len(files), desc=f"decoding to {size} px", unit="face", disable=None if progress else True) as bar:
            for done in pool.map(write, tasks):
                bar.update(done)
        os.fsync(descriptor)  # the new name must not outlive a power cut that the bytes did not survive
        partial.rename(path)
    finally:
        pool.shutdown(cancel_futures=True)
        os.close(descriptor)
        partial.unlink(missing_ok=True)


def _decode_scanned(file: Path, sha256: str) -> np.ndarray:
    try:
        data = read_bytes(file)
        if hashlib.sha256(data).hexdigest() == sha256:
            return decode(data)
    except ImageError as error:
        raise AgeGenderError(f"{file}: {error}; it was readable when it was scanned, run again") from error
    raise AgeGenderError(f"{file}: changed while the image cache was being built, run again")


def _reserve(descriptor: int, length: int) -> None:
    """Meets a full disk now rather than half-way through, on file systems that can tell."""
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
