"""Every file under a folder, with nothing lost without a word."""

import errno
import os
import posixpath
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from agegender.errors import AgeGenderError
from agegender.sources.faces import Skipped

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def list_files(root: Path, dataset: str, key: str = "data.root") -> tuple[list[str], list[Skipped]]:
    """Lists a data set's folder recursively, in sorted order.

    Links to files are followed; links to folders are not, because they can close a circle or count faces twice.

    Args:
        root: the folder.
        dataset: name of the data set, for the list of skipped paths.
        key: configuration key that says where the folder is, for the error message.

    Returns:
        POSIX paths of regular files relative to the root; and everything else with its reason.

    Raises:
        AgeGenderError: the root does not exist, is no folder or cannot be listed; the message names `key`.
    """
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):
            raise AgeGenderError(f"{key}={root} is not a folder")
        with os.scandir(root):
            pass
    except OSError as error:
        raise AgeGenderError(f"{key}={root} cannot be listed: {error.strerror}") from error
    files, skipped = [], []
    for path, reason in _walk(str(root), ""):
        if reason is None:
            files.append(path)
        else:
            skipped.append(Skipped(f"{dataset}/{_printable(path)}", reason))
    return sorted(files), sorted(skipped, key=lambda one: one.path)


def inside(image: str, root: Path) -> str | None:
    """The POSIX path, relative to the root, of an image that somebody's list names; None where it leads elsewhere.

    Backslashes are taken for slashes; an absolute path may name a file in the root.
    """
    path = posixpath.normpath(image.replace("\\", "/")) if image else "."
    if path.startswith("/"):
        base = next((base for base in (root.absolute(), root.resolve()) if PurePosixPath(path).is_relative_to(base)), None)
        return None if base is None else PurePosixPath(path).relative_to(base).as_posix()
    return None if path.split("/")[0] in (".", "..") or re.match("[A-Za-z]:", path) else path


def _walk(root: str, folder: str) -> Iterator[tuple[str, str | None]]:
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            listed = list(entries)
    except OSError as error:
        yield folder, f"folder cannot be listed: {error.strerror}"
        return
    for entry in listed:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
        else:
            yield path, _reason(entry)


def _reason(entry: os.DirEntry[str]) -> str | None:
    """Why an entry that is not a folder is no file to read, or None."""
    if entry.is_symlink():
        try:
            mode = os.stat(entry.path).st_mode
        except OSError as error:
            kind = {errno.ELOOP: "link that loops", errno.ENOENT: "broken link"}
            return kind.get(error.errno or 0, f"link that cannot be followed: {error.strerror}")
        if stat.S_ISDIR(mode):
            return "link to a folder, not followed"
        regular = stat.S_ISREG(mode)
    else:
        regular = entry.is_file(follow_symlinks=False)
    if not regular:
        return "not a regular file"
    return None if _printable(entry.name) == entry.name else "file name is not valid UTF-8"


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")
