"""Cache files: built once, complete or absent, checked for damage, shared by all processes."""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from agegender.data.checksums import is_intact, write_checksums
from agegender.errors import AgeGenderError

log = logging.getLogger(__name__)


def cache_root(cache_dir: str | Path | None) -> Path:
    """Returns the folder of all caches.

    Args:
        cache_dir: ``loader.cache_dir``; None for ``$XDG_CACHE_HOME/agegender`` or ``~/.cache/agegender``.
    """
    if cache_dir is not None:
        return Path(cache_dir).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agegender"


def cache_path(folder: Path, recipe: Any, suffix: str) -> Path:
    """Returns the path of a cache file: its name is a hash of all values that determine its contents.

    Args:
        folder: Folder of the file.
        recipe: The values that determine the contents, in a form that JSON can represent.
        suffix: Suffix of the name, with a dot.
    """
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    return folder / f"{key[:32]}{suffix}"


def build_once(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Creates a cache file unless it exists and is intact.

    The content is written to a temporary file, which is renamed at the end, so an interrupted build leaves no incomplete
    cache. If several processes need the same file, one builds it and the others wait.

    Args:
        path: The file.
        write: Writes the content to an open file.
    """
    if is_intact(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        if is_intact(path):
            return
        if path.exists():
            log.warning("%s is damaged, or an earlier version wrote it without checksums: it is built again", path)
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())  # otherwise, after a power failure, the name could exist without the content
            partial.rename(path)
            write_checksums(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def explain_errors(what: str, path: Path, size: int, alternative: str) -> Iterator[None]:
    """Turns an ``OSError`` into an error that names the cache file and what to do.

    Args:
        what: Kind of cache.
        path: The cache file.
        size: Size of the complete file, bytes.
        alternative: How to work without the cache.

    Raises:
        AgeGenderError: An ``OSError`` occurred: for example, the folder cannot be written, or the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise AgeGenderError(
            f"{what} {path} ({size / 1e9:.3g} GB): {error.strerror or error}. Choose another folder with "
            f"loader.cache_dir=FOLDER, or {alternative}"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the exclusive right to build a file; the operating system releases it if the process is killed."""
    with path.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is building %s: waiting for it", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
