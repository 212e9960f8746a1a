"""Seen images: what is recorded of a split, what earlier versions recorded, and which faces are copies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agegender.data.near_copies import BITS
from agegender.data.seen import HEADER, SeenImages, find_copies, joined, seen_csv
from agegender.sources.faces import FaceTable

SHA256 = [f"{number:064x}" for number in range(6)]


def phash(*flipped: int) -> str:
    """A perceptual hash in which the given bits differ from those of ``phash()``."""
    bits = np.zeros(BITS, dtype=np.uint8)
    bits[: BITS // 2] = 1
    bits[list(flipped)] ^= 1
    return np.packbits(bits).tobytes().hex()


def table(split: list[str]) -> FaceTable:
    number = len(split)
    faces = FaceTable.of("d", Path("/d"), {"path": [str(i) for i in range(number)], "split": split})
    return faces.with_columns(sha256=SHA256[:number], phash=[phash(*range(i)) for i in range(number)])


def test_images_of_train_and_val_are_recorded_and_read() -> None:
    text = seen_csv(table(["train", "test", "val", "train"]))
    assert text.splitlines() == [HEADER, *(f"{SHA256[i]},{phash(*range(i))}" for i in (0, 2, 3))]
    seen = SeenImages.parsed(text)
    assert seen.sha256 == {SHA256[0], SHA256[2], SHA256[3]}
    assert seen.phash == {phash(), phash(0, 1), phash(0, 1, 2)}
    assert SeenImages.parsed(seen_csv(table(["test"]))) == (frozenset(), frozenset(), 0)


def test_an_earlier_version_recorded_no_perceptual_hashes() -> None:
    assert SeenImages.parsed(f"{SHA256[0]}\n{SHA256[1]}\n") == (frozenset(SHA256[:2]), frozenset(), 2)
    other_hash = f"sha256,phash 0 another one\n{SHA256[0]},{phash()}\n"
    assert SeenImages.parsed(other_hash) == (frozenset(SHA256[:1]), frozenset(), 1)


def test_the_images_of_two_trainings_are_joined() -> None:
    first, second = seen_csv(table(["train", "val", "test"])), seen_csv(table(["test", "val", "val", "train"]))
    assert joined(first, second) == seen_csv(table(["train"] * 4)) == joined(second, first)
    assert joined(first, "") == first
    earlier = f"{SHA256[0]}\n{SHA256[5]}\n"  # of a version without perceptual hashes
    seen = SeenImages.parsed(joined(earlier, first))
    assert seen == (frozenset([*SHA256[:2], SHA256[5]]), frozenset([phash(), phash(0)]), 1)
    other_hash = f"sha256,phash 0 another one\n{SHA256[3]},{phash()}\n"
    assert SeenImages.parsed(joined(first, other_hash)).unhashed == 1
    with pytest.raises(ValueError, match="'x' is not the SHA-256"):
        joined(first, f"{HEADER}\nx\n")


@pytest.mark.parametrize("line", ["x", SHA256[0][:-1], f"{SHA256[0]},", f"{SHA256[0]},{phash()},1", "", 1000 * "a"])
def test_a_damaged_line_raises(line: str) -> None:
    with pytest.raises(ValueError, match="is not the SHA-256 and the perceptual hash of an image") as caught:
        SeenImages.parsed(f"{HEADER}\n{SHA256[0]},{phash()}\n{line}\n")
    assert len(str(caught.value)) < 200


def faces(sha256: list[str], phashes: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"sha256": sha256, "phash": phashes}, index=range(10, 10 + len(sha256)), dtype="string")


@pytest.mark.parametrize(("threshold", "near"), [(None, []), (0, [11]), (2, [11, 12]), (3, [11, 12, 13, 15])])
def test_copies_are_found_up_to_the_threshold(threshold: int | None, near: list[int]) -> None:
    seen = SeenImages(frozenset([SHA256[0], SHA256[1]]), frozenset([phash(), phash(100, 101)]))
    others = [phash(5), phash(), phash(1, 2), phash(1, 2, 3), phash(1, 2, 3, 4), phash(1, 2, 3)]
    copies = find_copies(faces([SHA256[1], *SHA256[2:6], "f" * 64], others), seen, threshold)
    assert copies.to_dict() == {10: "byte-identical"} | dict.fromkeys(near, "near-identical")


def test_without_perceptual_hashes_only_identical_images_are_found() -> None:
    seen = SeenImages(frozenset([SHA256[0]]), frozenset(), 1)
    assert find_copies(faces(SHA256[:2], [phash(), phash()]), seen, 32).to_dict() == {10: "byte-identical"}
    assert find_copies(faces(SHA256[:2], [phash(), phash()]), SeenImages(frozenset(), frozenset()), 32).empty
