"""The table of faces for a run: read from the sources, scanned, cleaned and split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from agegender.data.duplicates import Policy, resolve_duplicates
from agegender.data.exclude import without_excluded
from agegender.data.near_copies import group_near_copies
from agegender.data.scan import Damaged, scan
from agegender.data.splits import Split
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable, Source, concat
from agegender.sources.listing import leads_outside


def read_faces(
    sources: Mapping[str, Source],
    cache_dir: Path | None,
    progress: bool = True,
    near_copies: int | None = None,
    damaged: Damaged = "skip",
) -> FaceTable:
    """Reads all sources and scans every file.

    Args:
        sources: Sources by key, read in this order.
        cache_dir: Folder for the results of the scan, so that a second call reads no unchanged image; None stores
            nothing.
        progress: Show a progress bar if there is a terminal.
        near_copies: Largest number of bits (of 256) in which the perceptual hashes of near-identical images differ; None
            looks for byte-identical files only.
        damaged: Whether to keep JPEG files that decode only in part.

    Returns:
        All usable faces, with copies in one group and more columns: those of ``scan`` and ``row``. ``row`` is
        the row number in this table. It stays the same when faces are dropped later, so it finds the image in the cache.

    Raises:
        AgeGenderError: There is no face, or none is usable.
    """
    listed = concat([source.read() for source in sources.values()])
    listed.notes += _links(listed)
    table = group_near_copies(scan(listed, cache_dir, progress, damaged), near_copies)
    if not len(table):
        folders = ", ".join(str(source.root) for source in sources.values())
        example = f"; for example, {table.skipped[0].path}: {table.skipped[0].reason}" if table.skipped else ""
        raise AgeGenderError(f"no face in {folders}{example}")
    return table.with_columns(row=np.arange(len(table)))


def _links(table: FaceTable) -> list[str]:
    """Counts the symbolic links to files outside the folder of their dataset: such a file may be private."""
    roots = [table.roots[name] for name in table.frame["dataset"]]
    outside = [file for file, root in zip(table.files(), roots, strict=True) if leads_outside(file, root)]
    example = f"{outside[0]} leads to {outside[0].resolve()}" if outside else ""
    return [f"{len(outside)} files are symbolic links to files outside data.root, for example {example}"] if outside else []


def select_faces(
    faces: FaceTable, split: Split, age_range: Sequence[float], duplicates: Policy, exclude: Path | None = None
) -> FaceTable:
    """Drops the faces that cannot be used and assigns the others to splits.

    Args:
        faces: Faces from ``read_faces``.
        split: The rule that assigns faces to splits.
        age_range: Lowest and highest age, years. Faces with an age interval entirely outside are dropped; faces without
            an age are kept.
        duplicates: What to do with byte-identical copies.
        exclude: CSV file with the train and val faces to drop; see ``without_excluded``.

    Raises:
        AgeGenderError: No age is inside ``age_range``, or ``split`` or ``duplicates`` leave no face, or ``exclude`` is not
            a valid list.
    """
    low, high = age_range
    outside = (faces.frame["age_high"] < low) | (faces.frame["age_low"] > high)  # false for unknown ages (NaN)
    if outside.all():
        raise AgeGenderError(f"age_range=[{low:g}, {high:g}] contains the age of none of {len(faces)} faces")
    table = faces.where(~outside, reason=f"age outside age_range=[{low:g}, {high:g}]")
    if outside.any():
        table.notes.append(f"{outside.sum()} faces dropped: their age is outside age_range=[{low:g}, {high:g}]")
    table = split.assign(table, clean=lambda predefined: resolve_duplicates(predefined, duplicates))
    return table if exclude is None else without_excluded(table, exclude)
