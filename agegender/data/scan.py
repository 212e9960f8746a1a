"""One look at every file: can it be decoded, which files are the same to the byte, and what marks the picture?"""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from agegender.data.duplicates import tie
from agegender.data.near_copies import HASH, perceptual_hash
from agegender.errors import AgeGenderError
from agegender.sources import images
from agegender.sources.faces import FaceTable

_CLOCK_TICK_NS = 20_000_000
_CHUNK = 64


@dataclass(frozen=True)
class _Verdict:
    """What a look at a file said; it holds for as long as the file's state stays the same."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str = ""
    phash: str = ""
    reason: str = ""

    @property
    def state(self) -> tuple[int, ...]:
        return self.size, self.mtime_ns, self.ctime_ns, self.inode


def scan(table: FaceTable, cache_dir: Path | None, progress: bool) -> FaceTable:
    """Reads and decodes every file once and remembers the outcome.

    A file is looked at again when its size, times or inode have changed, or when the decoder has.

    Args:
        table: faces as a source lists them.
        cache_dir: folder where outcomes are remembered; None remembers nothing.
        progress: shows a bar, if there is a terminal.

    Returns:
        The readable faces with new columns `sha256` of the file's bytes and `phash` of the picture (both in hex),
        byte-identical ones in one group; the unreadable ones are in `skipped`.

    Raises:
        AgeGenderError: no file can be decoded, or the cache folder cannot be written.
    """
    paths = [str(path) for path in table.files()]
    memory = None if cache_dir is None else cache_dir / f"scan-{_key(table)}.parquet"
    known = {} if memory is None else _load(memory)
    states = [_stat(path) for path in paths]
    # A file rewritten within one tick of the file system's clock would keep its times: let that tick pass first.
    if time.time_ns() - max((state.ctime_ns for state in states), default=0) < _CLOCK_TICK_NS:
        time.sleep(_CLOCK_TICK_NS / 1e9)
    new = [state for state in states if state.path not in known or known[state.path].state != state.state]
    verdicts = {verdict.path: verdict for verdict in _look(new, progress)}
    found = [verdicts.get(path) or known[path] for path in paths]
    if memory is not None and verdicts:
        _save(memory, [verdict for verdict in found if verdict.sha256])
    readable = [not verdict.reason for verdict in found]
    if found and not any(readable):
        raise AgeGenderError(f"none of {len(found)} files is a usable image; the first, {paths[0]}: {found[0].reason}")
    scanned = FaceTable(table.frame.copy(), table.roots, table.skipped, table.notes)
    for column in ("sha256", "phash"):
        scanned.frame[column] = pd.array([getattr(verdict, column) for verdict in found], dtype="string")
    scanned = scanned.where(readable, [verdict.reason for verdict in found])
    scanned.frame["group"] = pd.array(tie(scanned.frame["group"], scanned.frame["sha256"]), dtype="string")
    return scanned


def _stat(path: str) -> _Verdict:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return _Verdict(path, 0, 0, 0, 0)  # reading it will say why
    return _Verdict(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _look(states: list[_Verdict], progress: bool) -> list[_Verdict]:
    """Reads and decodes files in threads; OpenCV and hashlib release the interpreter's lock."""
    chunks = [states[start : start + _CHUNK] for start in range(0, len(states), _CHUNK)]
    verdicts: list[_Verdict] = []
    bar = tqdm(total=len(states), desc="Reading faces", unit="file", disable=None if progress else True)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with bar, ThreadPoolExecutor(threads) as pool:
        for chunk in pool.map(lambda chunk: [_look_at(state) for state in chunk], chunks):
            verdicts += chunk
            bar.update(len(chunk))
    return verdicts


def _look_at(state: _Verdict) -> _Verdict:
    """Without a hash when the bytes could not be read: that may pass, so it is not remembered."""
    sha256, phash, reason = "", "", ""
    try:
        data = images.read_bytes(Path(state.path))
        sha256 = hashlib.sha256(data).hexdigest()
        phash = perceptual_hash(images.decode(data)).hex()
    except images.ImageError as error:
        reason = str(error)
    return replace(state, sha256=sha256, phash=phash, reason=reason)


def _key(table: FaceTable) -> str:
    roots = sorted(str(root.absolute()) for root in table.roots.values())
    return hashlib.sha256("\n".join([images.DECODER, HASH, *roots]).encode()).hexdigest()[:16]


def _load(memory: Path) -> dict[str, _Verdict]:
    try:
        frame = pd.read_parquet(memory)
        columns = [frame[field.name].tolist() for field in fields(_Verdict)]
    except (OSError, ValueError, KeyError):  # absent, broken or of an older kind: look again
        return {}
    return {row[0]: _Verdict(*row) for row in zip(*columns, strict=True)}


def _save(memory: Path, verdicts: list[_Verdict]) -> None:
    partial = memory.with_name(f"{memory.name}.{os.getpid()}")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(map(astuple, verdicts), columns=[field.name for field in fields(_Verdict)])
        frame.to_parquet(partial)
        os.replace(partial, memory)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise AgeGenderError(
            f"loader.cache_dir={memory.parent} cannot be written ({error.strerror or error}): name another folder, or "
            "set loader.cache=none"
        ) from error
