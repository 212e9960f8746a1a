"""Near-identical copies of an image: re-encoded, resized, sharpened or slightly edited.

Copies are found by a perceptual hash of the low frequencies of an image, which such changes hardly affect. Mirrored and
strongly cropped copies are not found. ``scripts/measure_near_copies.py`` measures the recall and the false matches of
each threshold.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd

from agegender.data.groups import components, merge_groups
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

HASH = "1 dct32 low16"
"""Version of the hash; part of the key of every cache of hashes. Change it when the hash of an image changes."""

BITS = 256
MAX_THRESHOLD = 64  # of the setting only: in UTKFace, values from 42 on also match different people
_SIDE, _LOW = 32, 16
_PIECE_BITS = 16
_BLOCK = 1 << 20


def perceptual_hash(image: np.ndarray) -> bytes:
    """Hashes an image (pHash: Zauner, 2010, with 16 x 16 frequencies instead of 8 x 8).

    The image is converted to grey and resized to 32 x 32. Each of the 16 x 16 lowest frequencies of its discrete cosine
    transform gives one bit: whether it is above their median. The 64 bits of the original pHash do not distinguish
    aligned faces.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.

    Returns:
        ``BITS`` bits.
    """
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    frequencies = cv2.dct(grey.astype(np.float32))[:_LOW, :_LOW].ravel()
    above = frequencies > np.median(frequencies[1:])
    above[0] = False  # frequency 0 is the mean brightness, which is ignored
    return np.packbits(above).tobytes()


def near_pairs(hashes: np.ndarray, threshold: int) -> np.ndarray:
    """Finds all pairs of hashes that differ in few bits, without comparing all pairs.

    Each hash is divided into more than ``threshold / 2`` pieces. If two hashes differ in at most ``threshold`` bits, at
    least one of their pieces differs in at most one bit. Only hashes with such a piece are compared (multi-index hashing:
    Norouzi, Punjani and Fleet, 2012).

    Args:
        hashes: ``[N, BITS / 8]`` uint8.
        threshold: Largest number of bits in which the hashes of a pair differ.

    Returns:
        ``[P, 2]`` pairs of rows ``(i, j)`` with ``i < j``, sorted and unique.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64)
    bits = np.unpackbits(hashes, axis=1)
    pieces = max(threshold // 2 + 1, BITS // _PIECE_BITS)
    found = [np.empty((0, 2), dtype=np.int64)]
    for piece in range(pieces):
        some = bits[:, piece::pieces]  # neighbouring frequencies are correlated, so each piece samples all frequencies
        keys = some @ (1 << np.arange(some.shape[1]))
        for left, right in _candidates(keys, some.shape[1]):
            near = np.bitwise_count(words[left] ^ words[right]).sum(axis=1, dtype=np.int64) <= threshold
            found.append(np.sort(np.stack([left[near], right[near]], axis=1), axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _candidates(keys: np.ndarray, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields pairs of rows with keys that differ in at most one bit, in blocks of about ``_BLOCK`` pairs."""
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


def group_near_copies(table: FaceTable, threshold: int | None) -> FaceTable:
    """Puts near-identical images into one group, so that they go to the same split.

    Args:
        table: Scanned faces, with columns ``sha256`` and ``phash``.
        threshold: Largest number of the ``BITS`` bits in which the hashes of two copies differ; None changes nothing.

    Raises:
        AgeGenderError: The threshold is not between 0 and ``MAX_THRESHOLD``.
    """
    if threshold is None or not len(table):
        return table
    if not 0 <= threshold <= MAX_THRESHOLD:
        raise AgeGenderError(f"data.near_copies={threshold} must be null or between 0 and {MAX_THRESHOLD} (of {BITS} bits)")
    codes, unique = pd.factorize(table.frame["phash"])
    hashes = np.frombuffer(bytes.fromhex("".join(unique)), dtype=np.uint8).reshape(len(unique), -1)
    image = components(len(unique), near_pairs(hashes, threshold))[codes]
    grouped = table.with_columns(group=merge_groups(table.frame["group"], image))
    copies = table.frame.assign(image=image).groupby("image")["sha256"].agg(["nunique", "size"]).query("nunique > 1")
    if len(copies):
        grouped.notes.append(
            f"{copies['size'].sum()} faces are near-identical copies of {len(copies)} images; the copies of an image go to "
            f"the same split (data.near_copies={threshold} of {BITS} bits)"
        )
    return grouped
