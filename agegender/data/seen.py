"""Images that a model was trained or selected on, and the faces that show them again."""

import re
from textwrap import shorten
from typing import Literal, NamedTuple, Self

import numpy as np
import pandas as pd

from agegender.data.near_copies import HASH, near_pairs
from agegender.sources.faces import FaceTable

SEEN_SPLITS = ("train", "val")  # splits that a model is trained or selected on
HEADER = f"sha256,phash {HASH}"

_LINE = re.compile("[0-9a-f]{64}(,[0-9a-f]{64})?")

Copy = Literal["byte-identical", "near-identical"]


class SeenImages(NamedTuple):
    """Images that a model was trained or selected on.

    Attributes:
        sha256: SHA-256 of their files, hexadecimal.
        phash: Their perceptual hashes, hexadecimal.
        unhashed: Number of images without this hash, because an earlier version recorded them.
    """

    sha256: frozenset[str]
    phash: frozenset[str]
    unhashed: int = 0

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Reads the text that ``seen_csv`` returned, or the list of SHA-256 that earlier versions wrote.

        Raises:
            ValueError: A line is neither.
        """
        lines = text.splitlines()
        header = lines.pop(0) if text.startswith("sha256,") else None
        for line in lines:
            if not _LINE.fullmatch(line):
                raise ValueError(f"{shorten(line, 80)!r} is not the SHA-256 and the perceptual hash of an image")
        images = [line.partition(",")[::2] for line in lines]
        phash = frozenset(phash for _, phash in images if phash and header == HEADER)
        unhashed = sum(not phash for _, phash in images) if header == HEADER else len(images)
        return cls(frozenset(sha256 for sha256, _ in images), phash, unhashed)


def seen_csv(table: FaceTable) -> str:
    """Returns SHA-256 and perceptual hash of every image of the train and validation splits as sorted CSV."""
    held = table.frame[table.frame["split"].isin(SEEN_SPLITS)]
    return "\n".join([HEADER, *sorted(set(held["sha256"] + "," + held["phash"])), ""])


def joined(*texts: str) -> str:
    """Joins texts that ``seen_csv`` returned or earlier versions wrote; perceptual hashes of another kind are left out.

    Raises:
        ValueError: A text is damaged.
    """
    lines: set[str] = set()
    for text in texts:
        SeenImages.parsed(text)
        header, *rows = text.splitlines() or [""]
        rows = rows if header.startswith("sha256,") else text.splitlines()
        lines |= set(rows if header == HEADER else (row.partition(",")[0] for row in rows))
    hashed = {line.partition(",")[0] for line in lines if "," in line}
    return "\n".join([HEADER, *sorted(line for line in lines if "," in line or line not in hashed), ""])


def find_copies(faces: pd.DataFrame, seen: SeenImages, near_copies: int | None) -> "pd.Series[str]":
    """Finds the faces that show a seen image, under whatever file name.

    Args:
        faces: Rows of a face table with ``sha256`` and ``phash``.
        seen: The images.
        near_copies: Largest number of bits in which the perceptual hashes of near-identical images differ; None looks for
            byte-identical files only.

    Returns:
        For each face that is a copy, the kind of copy (a ``Copy``). The index is that of ``faces``; other faces are left out.
    """
    copies = pd.Series(pd.NA, index=faces.index, dtype="string")
    if near_copies is not None and seen.phash:
        copies[_near(faces["phash"].to_numpy(dtype=str), seen.phash, near_copies)] = "near-identical"
    copies[faces["sha256"].isin(seen.sha256)] = "byte-identical"
    return copies.dropna()


def _near(phashes: np.ndarray, seen: frozenset[str], threshold: int) -> np.ndarray:
    """Whether each hash differs from a seen one in at most ``threshold`` bits."""
    unique, codes = np.unique(phashes, return_inverse=True)
    hashes = np.frombuffer(bytes.fromhex("".join([*unique, *seen])), dtype=np.uint8).reshape(len(unique) + len(seen), -1)
    pairs = near_pairs(hashes, threshold)
    across = (pairs[:, 0] < len(unique)) & (pairs[:, 1] >= len(unique))
    return np.isin(codes, pairs[across, 0])
