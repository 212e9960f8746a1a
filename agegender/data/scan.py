"""Reads every image file once: unreadable, damaged and byte-identical files, size and perceptual hash of each image."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Literal

import pandas as pd
from tqdm import tqdm

from agegender.data.cores import usable_cores
from agegender.data.file_state import FileState, wait_for_clock
from agegender.data.groups import merge_groups
from agegender.data.near_copies import HASH, perceptual_hash
from agegender.errors import AgeGenderError
from agegender.regular_files import open_bytes
from agegender.sources import images
from agegender.sources.faces import FaceTable

Damaged = Literal["skip", "keep"]

_FILES_PER_TASK = 64


@dataclass(frozen=True)
class _Result:
    """What was found in a file; valid while the state of the file is the same.

    ``reason`` says why the file is not a usable image, else it is empty. ``damage`` says what is wrong with a file that
    decodes only in part; its ``phash``, ``width`` and ``height`` are found only with ``damaged=keep``.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str = ""
    phash: str = ""
    reason: str = ""
    damage: str = ""
    width: int = 0
    height: int = 0

    @property
    def state(self) -> FileState:
        return FileState(self.size, self.mtime_ns, self.ctime_ns, self.inode)


def scan(table: FaceTable, cache_dir: Path | None, progress: bool, damaged: Damaged = "skip") -> FaceTable:
    """Reads and decodes every file, unless an earlier scan has done so and the file has not changed since.

    A file counts as changed if its size, its times or its inode differ. If the version of the decoder or of the perceptual
    hash changes, all files are read again.

    Args:
        table: Faces as a source lists them.
        cache_dir: Folder for the results; None neither reads nor stores results.
        progress: Show a progress bar if there is a terminal.
        damaged: Whether to keep JPEG files that decode only in part (see ``images.damage``).

    Returns:
        The usable faces, with new columns ``sha256`` (of the bytes of the file) and ``phash`` (of the image), both
        hexadecimal, and ``width`` and ``height`` of the image in pixels. Byte-identical faces are in one group. Unreadable and
        damaged files are in ``skipped``; a note counts the damaged ones that are kept.

    Raises:
        AgeGenderError: No file is readable, or the folder cannot be written.
    """
    paths = [str(path) for path in table.files()]
    stored = None if cache_dir is None else cache_dir / f"scan-{_key(table)}.parquet"
    known = {} if stored is None else _load(stored)
    states = [_stat(path) for path in paths]
    wait_for_clock(max((state.ctime_ns for state in states), default=0))
    new = [state for state in states if not _is_current(known.get(state.path), state, damaged)]
    read = {result.path: result for result in _read_all(new, progress, damaged)}
    results = [read.get(path) or known[path] for path in paths]
    if stored is not None and read:
        _save(stored, [result for result in results if result.sha256])
    reasons = [result.reason or (result.damage if damaged == "skip" else "") for result in results]
    if results and all(reasons):
        raise AgeGenderError(f"none of {len(results)} files is a usable image; the first, {paths[0]}: {reasons[0]}")
    hashes = {name: pd.array([getattr(result, name) for result in results], dtype="string") for name in ("sha256", "phash")}
    sides = {name: [getattr(result, name) for result in results] for name in ("width", "height")}
    scanned = table.with_columns(**hashes, **sides).where([not reason for reason in reasons], reasons)
    kept = [f"{result.path} ({result.damage})" for result in results if result.damage and damaged == "keep"]
    if kept:
        scanned.notes.append(f"{len(kept)} damaged images are kept (data.damaged=keep), for example {kept[0]}")
    return scanned.with_columns(group=merge_groups(scanned.frame["group"], scanned.frame["sha256"]))


def _stat(path: str) -> _Result:
    try:
        return _Result(path, *FileState.of(path))
    except (OSError, ValueError):
        return _Result(path, 0, 0, 0, 0)  # reading the file gives the reason


def _is_current(known: _Result | None, state: _Result, damaged: Damaged) -> bool:
    """Whether a stored result is still valid and complete."""
    if known is None or known.state != state.state:
        return False
    return bool(known.phash or known.reason) or damaged == "skip"


def _read_all(states: list[_Result], progress: bool, damaged: Damaged) -> list[_Result]:
    """Reads and decodes files in threads; OpenCV and hashlib release the global interpreter lock."""
    tasks = [states[start : start + _FILES_PER_TASK] for start in range(0, len(states), _FILES_PER_TASK)]
    results: list[_Result] = []
    bar = tqdm(total=len(states), desc="Reading faces", unit="file", disable=None if progress else True)
    with bar, ThreadPoolExecutor(usable_cores()) as pool:
        for some in pool.map(lambda task: [_read(state, damaged) for state in task], tasks):
            results += some
            bar.update(len(some))
    return results


def _read(state: _Result, damaged: Damaged) -> _Result:
    """Reads one file. A file with unreadable bytes gets no ``sha256`` and is not stored: the next scan tries it again."""
    sha256, phash, reason, damage, width, height = "", "", "", None, 0, 0
    try:
        data = images.read_bytes(Path(state.path))
        sha256 = hashlib.sha256(data).hexdigest()
        damage = images.damage(data)
        if damage is None or damaged == "keep":  # OpenCV prints a warning without a file name for each damaged image
            image = images.decode(data)
            height, width = image.shape[:2]
            phash = perceptual_hash(image).hex()
    except images.ImageError as error:
        reason = str(error)
    return replace(state, sha256=sha256, phash=phash, reason=reason, damage=damage or "", width=width, height=height)


def _key(table: FaceTable) -> str:
    roots = sorted(str(root.absolute()) for root in table.roots.values())
    return hashlib.sha256("\n".join([images.DECODER, HASH, *roots]).encode()).hexdigest()[:16]


def _load(stored: Path) -> dict[str, _Result]:
    try:
        with open_bytes(stored) as file:
            frame = pd.read_parquet(file)
        columns = [frame[field.name].tolist() for field in fields(_Result)]
    except (OSError, ValueError, KeyError):  # missing, damaged or written by an earlier version: read all files
        return {}
    return {row[0]: _Result(*row) for row in zip(*columns, strict=True)}


def _save(stored: Path, results: list[_Result]) -> None:
    partial = stored.with_name(f"{stored.name}.{os.getpid()}")
    try:
        stored.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(map(astuple, results), columns=[field.name for field in fields(_Result)])
        frame.to_parquet(partial)
        os.replace(partial, stored)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise AgeGenderError(
            f"loader.cache_dir={stored.parent} cannot be written ({error.strerror or error}): choose another folder, or "
            "set loader.cache=none"
        ) from error
