"""Lists all files of a folder and its subfolders, with a reason for each entry that cannot be read."""

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
    """List the files of a dataset folder and its subfolders, in sorted order.

    Symbolic links to files are followed, also to files outside the root. Links to folders are not followed, because they can
    form a cycle or count faces twice.

    Args:
        root: Folder of the dataset.
        dataset: Name of the dataset, for the paths of skipped entries.
        key: Configuration key of the folder, for error messages.

    Returns:
        POSIX paths of the regular files, relative to the root; and all other entries, each with its reason.

    Raises:
        AgeGenderError: The root does not exist, is not a folder or cannot be listed. The message names `key`.
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
            skipped.append(Skipped(f"{dataset}/{path}", reason))
    return sorted(files), sorted(skipped, key=lambda one: one.path)


def leads_outside(file: Path, root: Path) -> bool:
    """Whether a file in the root is a symbolic link to a file outside it."""
    return file.is_symlink() and not file.resolve().is_relative_to(root.resolve())


def path_in_root(image: str, root: Path) -> str | None:
    """Normalise the path of an image in a label file to a POSIX path relative to the root.

    Backslashes count as slashes. Absolute paths are allowed if they lie inside the root.

    Returns:
        The relative path, or None if the path is empty or leads outside the root.
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
    """Why an entry that is not a folder cannot be read as a file; None if it can."""
    if entry.is_symlink():
        try:
            mode = os.stat(entry.path).st_mode
        except OSError as error:
            kind = {errno.ELOOP: "symbolic link loop", errno.ENOENT: "broken symbolic link"}
            return kind.get(error.errno or 0, f"symbolic link cannot be followed: {error.strerror}")
        if stat.S_ISDIR(mode):
            return "symbolic link to a folder (not followed)"
        regular = stat.S_ISREG(mode)
    else:
        regular = entry.is_file(follow_symlinks=False)
    if not regular:
        return "not a regular file"
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return "file name is not valid UTF-8"
    return None
