"""Writes a bundle: the folder appears only when it is complete."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agegender.errors import AgeGenderError
from agegender.inference.bundle import CHECKSUMS, checksums


def write_files(folder: Path, files: Mapping[str, bytes | str | Mapping[str, Any]]) -> None:
    """Writes files and ``checksums.txt`` into a new folder.

    Args:
        folder: Must not exist, or be empty.
        files: Content by file name: bytes, text, or a mapping that is written as JSON.

    Raises:
        AgeGenderError: The folder exists and has files, or cannot be written to.
    """
    contents = {name: _bytes(content) for name, content in files.items()}
    try:
        require_new(folder)
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # left by a killed process
        partial.mkdir(parents=True)
        try:
            for name, content in contents.items():
                (partial / name).write_bytes(content)
            (partial / CHECKSUMS).write_text(checksums(contents), encoding="utf-8")
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise AgeGenderError(f"{folder}: cannot be written: {error.strerror or error}") from error


def require_new(folder: Path) -> None:
    """Refuses a folder that has files, and the working directory, which cannot be replaced.

    Raises:
        AgeGenderError: It is no name of a new or empty folder.
    """
    if not folder.name:
        raise AgeGenderError(f"{folder}: expected the name of a new folder, not the working directory")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AgeGenderError(f"{folder}: exists already; choose another folder or delete it")


def _bytes(content: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(content, bytes):
        return content
    text = content if isinstance(content, str) else json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return text.encode("utf-8")
