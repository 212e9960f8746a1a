"""Reads every image file once: unreadable, damaged and byte-identical files, size and perceptual hash of each image."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from agegender.data.cores import usable_cores
from agegender.data.file_state import FileState, wait_for_clock
from agegender.data.groups import merge_groups
from agegender.data.near_copies import HASH, perceptual_hash
from agegender.errors import AgeGenderError
from agegender.regular_files import open_bytes
from agegender.sources import images
from agegender.sources.box import parse_box, region_sha256
from agegender.sources.faces import FaceTable
from agegender.sources.resizing import resample

Damaged = Literal["skip", "keep"]

SMALLEST_INSIDE = 0.01
"""Smallest share of a box inside its image. A box with less is at the wrong place, or much larger than the image."""

_FILES_PER_TASK = 64
_HASHED_SIDE = 64  # of the region of a face that is hashed, pixels


@dataclass(frozen=True)
class _Result:
    """What was found in a file; valid while the state of the file is the same.

    ``reason`` says why the file is not a usable image, else it is empty. ``damage`` says what is wrong with a file that
    decodes only in part; its ``phash``, ``width`` and ``height`` are found only with ``damaged=keep``. A file has a result for
    each ``box``, and ``sha256`` and ``phash`` are of this region.
    """

    path: str
    box: str
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
    def face(self) -> tuple[str, str]:
        return self.path, self.box

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
    faces = list(zip(paths, table.boxes(), strict=True))
    stored = None if cache_dir is None else cache_dir / f"scan-{_key(table)}.parquet"
    known = {} if stored is None else _load(stored)
    files = {path: _stat(path) for path in dict.fromkeys(paths)}
    states = [replace(files[path], box=box) for path, box in faces]
    wait_for_clock(max((state.ctime_ns for state in states), default=0))
    new = [state for state in states if not _is_current(known.get(state.face), state, damaged)]
    read = {result.face: result for result in _read_all(new, progress, damaged)}
    results = [read.get(face) or known[face] for face in faces]
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
        return _Result(path, "", *FileState.of(path))
    except (OSError, ValueError):
        return _Result(path, "", 0, 0, 0, 0)  # reading the file gives the reason


def _is_current(known: _Result | None, state: _Result, damaged: Damaged) -> bool:
    """Whether a stored result is still valid and complete."""
    if known is None or known.state != state.state:
        return False
    return bool(known.phash or known.reason) or damaged == "skip"


def _read_all(states: list[_Result], progress: bool, damaged: Damaged) -> list[_Result]:
    """Reads and decodes each file once, in threads; OpenCV and hashlib release the global interpreter lock."""
    by_file: dict[str, list[_Result]] = {}
    for state in states:
        by_file.setdefault(state.path, []).append(state)
    files = list(by_file.values())
    tasks = [files[start : start + _FILES_PER_TASK] for start in range(0, len(files), _FILES_PER_TASK)]
    results: list[_Result] = []
    bar = tqdm(total=len(states), desc="Reading faces", unit="face", disable=None if progress else True)
    with bar, ThreadPoolExecutor(usable_cores()) as pool:
        for some in pool.map(lambda task: [result for file in task for result in _read(file, damaged)], tasks):
            results += some
            bar.update(len(some))
    return results


def _read(states: list[_Result], damaged: Damaged) -> list[_Result]:
    """Reads the faces of one file. Unreadable bytes get no ``sha256`` and are not stored: the next scan tries them again."""
    try:
        data = images.read_bytes(Path(states[0].path))
    except images.ImageError as error:
        return [replace(state, reason=str(error)) for state in states]
    sha256 = hashlib.sha256(data).hexdigest()
    states = [replace(state, sha256=region_sha256(sha256, state.box)) for state in states]
    try:
        damage = images.damage(data) or ""
        if damage and damaged == "skip":  # OpenCV prints a warning without a file name for each damaged image
            return [replace(state, damage=damage) for state in states]
        image = images.decode(data)
    except images.ImageError as error:
        return [replace(state, reason=str(error)) for state in states]
    return [replace(_looked_at(state, image), damage=damage) for state in states]


def _looked_at(state: _Result, image: np.ndarray) -> _Result:
    """The result of a face in a decoded image."""
    height, width = image.shape[:2]
    if state.box:
        try:
            region = parse_box(state.box)
        except ValueError as error:
            return replace(state, reason=str(error))
        if (inside := region.share_inside(width, height)) < SMALLEST_INSIDE:
            place = "almost wholly outside" if inside else "outside"
            return replace(state, reason=f"box is {place} its image: {state.box} in {width}x{height} pixels")
        image = resample(image, region, _HASHED_SIDE, "black")
    return replace(state, phash=perceptual_hash(image).hex(), width=width, height=height)


def _key(table: FaceTable) -> str:
    roots = sorted(str(root.absolute()) for root in table.roots.values())
    return hashlib.sha256("\n".join([images.DECODER, HASH, *roots]).encode()).hexdigest()[:16]


def _load(stored: Path) -> dict[tuple[str, str], _Result]:
    try:
        with open_bytes(stored) as file:
            frame = pd.read_parquet(file)
        columns = [frame[field.name].tolist() for field in fields(_Result)]
    except (OSError, ValueError, KeyError):  # missing, damaged or written by an earlier version: read all files
        return {}
    return {result.face: result for result in (_Result(*row) for row in zip(*columns, strict=True))}


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
