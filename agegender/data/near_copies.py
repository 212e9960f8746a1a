"""Copies of a picture that are not the same to the byte: re-encoded, resized, sharpened, marked.

A perceptual hash keeps the signs of a picture's slow waves, which such changes hardly touch. Mirrored and much cropped
copies are not found. `scripts/measure_near_copies.py` measures what a threshold finds and what it confuses.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd

from agegender.data.duplicates import tie
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

HASH = "1 dct32 low16"
"""Whatever can change a hash; part of the key of everything that remembers hashes."""

BITS = 256
MAX_THRESHOLD = 64  # of faces that are aligned alike, different ones begin at 42
_SIDE, _LOW = 32, 16
_PIECE_BITS = 16
_BLOCK = 1 << 20


def perceptual_hash(image: np.ndarray) -> bytes:
    """The hash of a picture (pHash: Zauner, 2010, with a block of 16 x 16 in place of 8 x 8).

    The picture becomes grey and 32 x 32; of its discrete cosine transform the 16 x 16 lowest frequencies are kept, each as
    one bit that says whether it is above their median. Aligned faces are so alike that 64 bits confuse them.

    Args:
        image: RGB, [height, width, 3], uint8.

    Returns:
        `BITS` bits.
    """
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    waves = cv2.dct(grey.astype(np.float32))[:_LOW, :_LOW].ravel()
    above = waves > np.median(waves[1:])
    above[0] = False  # the mean brightness
    return np.packbits(above).tobytes()


def near_pairs(hashes: np.ndarray, threshold: int) -> np.ndarray:
    """All pairs of hashes that differ in few bits, without comparing every two.

    Hashes are cut into pieces. If two differ in at most `threshold` bits and there are more than `threshold / 2` pieces,
    some piece differs in at most one bit, so only hashes that share a piece but for one bit are compared (multi-index
    hashing: Norouzi, Punjani and Fleet, 2012).

    Args:
        hashes: [N, BITS / 8], uint8.
        threshold: Bits in which the two of a pair may differ.

    Returns:
        [P, 2], each row i < j, sorted, without repetition.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64)
    bits = np.unpackbits(hashes, axis=1)
    pieces = max(threshold // 2 + 1, BITS // _PIECE_BITS)
    found = [np.empty((0, 2), dtype=np.int64)]
    for piece in range(pieces):
        some = bits[:, piece::pieces]  # neighbouring waves are alike: each piece takes from all over the spectrum
        keys = some @ (1 << np.arange(some.shape[1]))
        for left, right in _candidates(keys, some.shape[1]):
            near = np.bitwise_count(words[left] ^ words[right]).sum(axis=1, dtype=np.int64) <= threshold
            found.append(np.sort(np.stack([left[near], right[near]], axis=1), axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _candidates(keys: np.ndarray, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs whose keys differ in at most one bit, in blocks."""
    order = np.argsort(keys, kind="stable")
    size = np.bincount(keys, minlength=1 << width)
    start = np.cumsum(size) - size
    place = np.arange(len(keys))
    for flip in (0, *(1 << np.arange(width)).tolist()):
        left = place if not flip else place[keys[order] & flip == 0]
        partner = keys[order[left]] | flip
        first = start[partner] if flip else left + 1
        counts = start[partner] + size[partner] - first
        ends = np.cumsum(counts)
        begin = 0
        while begin < len(left):
            stop = max(begin + 1, int(np.searchsorted(ends, ends[begin] + _BLOCK)))
            some = slice(begin, stop)
            total = int(counts[some].sum())
            within = np.arange(total) - np.repeat(ends[some] - counts[some] - (ends[begin] - counts[begin]), counts[some])
            yield order[np.repeat(left[some], counts[some])], order[np.repeat(first[some], counts[some]) + within]
            begin = stop


def tie_near_copies(table: FaceTable, threshold: int | None) -> FaceTable:
    """Puts near-identical faces into one group, so that no split tears them apart.

    Args:
        table: Scanned faces, with column `phash`.
        threshold: Of `BITS` bits, in how many two hashes may differ; None ties nothing.

    Raises:
        AgeGenderError: The threshold is no number of bits from 0 to `MAX_THRESHOLD`.
    """
    if threshold is None or not len(table):
        return table
    if not 0 <= threshold <= MAX_THRESHOLD:
        raise AgeGenderError(f"data.near_copies={threshold}: expected null or 0 to {MAX_THRESHOLD} of {BITS} bits")
    codes, unique = pd.factorize(table.frame["phash"])
    hashes = np.frombuffer(bytes.fromhex("".join(unique)), dtype=np.uint8).reshape(len(unique), -1)
    key = _pictures(len(unique), near_pairs(hashes, threshold))[codes]
    frame = table.frame.assign(group=pd.array(tie(table.frame["group"], key), dtype="string"))
    copies = frame.assign(key=key).groupby("key")["sha256"].agg(["nunique", "size"]).query("nunique > 1")
    notes = list(table.notes)
    if len(copies):
        notes.append(
            f"{copies['size'].sum()} faces are near-identical copies of {len(copies)} pictures, which share a part "
            f"(data.near_copies={threshold} of {BITS} bits)"
        )
    return FaceTable(frame, dict(table.roots), list(table.skipped), notes)


def _pictures(number: int, pairs: np.ndarray) -> np.ndarray:
    """A name for each hash, the same for all that pairs connect."""
    alone = [str(one) for one in range(number)]
    ends = [str(one) for one in pairs.ravel()]
    links = [f"pair {one // 2}" for one in range(len(ends))]
    return np.array(tie(alone + ends, alone + links)[:number], dtype=object)
