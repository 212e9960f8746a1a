"""From sources to the table of faces to work with: scanned, copies tied together, cleaned and split."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from agegender.data.duplicates import resolve
from agegender.data.near_copies import tie_near_copies
from agegender.data.scan import scan
from agegender.data.splits import Split
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, Skipped, Source, concat

Duplicates = Literal["keep", "drop_conflicting", "drop"]


def read_faces(
    sources: Mapping[str, Source], cache_dir: Path | None, progress: bool = True, near_copies: int | None = None
) -> FaceTable:
    """Reads all sources and decodes every file once, to know which are faces.

    Args:
        sources: By any name; read in this order.
        cache_dir: Where the outcome is remembered, so that a second call opens no image; None for not at all.
        progress: Show a bar if there is a terminal.
        near_copies: Bits of 256 in which near-identical pictures may differ; None for byte-identical ones alone.

    Returns:
        Every readable face, with the further columns ``sha256``, ``phash`` and ``row`` (its own row number, which finds
        its image again after later stages have left faces out), copies in one group.

    Raises:
        AgeGenderError: There is not a single readable face.
    """
    table = tie_near_copies(scan(concat([source.read() for source in sources.values()]), cache_dir, progress), near_copies)
    if not len(table):
        folders = ", ".join(str(source.root) for source in sources.values())
        raise AgeGenderError(f"no readable face in {folders}{_reasons(table.skipped)}")
    table.frame["row"] = np.arange(len(table))
    return table


def select_faces(faces: FaceTable, split: Split, age_range: Sequence[float], duplicates: Duplicates) -> FaceTable:
    """Leaves out what cannot be used and gives every other face its part.

    Args:
        faces: As ``read_faces`` returns them.
        split: A ``Split``.
        age_range: Youngest and oldest age, years: faces whose interval does not touch it are left out. Faces without
            an age stay.
        duplicates: What becomes of byte-identical copies.
    """
    low, high = age_range
    outside = (faces.frame["age_high"] < low) | (faces.frame["age_low"] > high)  # false for unknown ages
    table = faces.where(~outside, reason=f"age outside age_range=[{low:g}, {high:g}]")
    if outside.any():
        table.notes.append(f"{outside.sum()} faces left out: their age is outside age_range=[{low:g}, {high:g}]")
    table = split.assign(table, clean=lambda written: resolve(written, duplicates))
    if not len(table):
        raise AgeGenderError(f"no face is left for the split {split.name!r}{_reasons(table.skipped)}")
    return table


def _reasons(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return ""
    first = skipped[0]
    return f" ({len(skipped)} files set aside, the first {first.path}: {first.reason})"
