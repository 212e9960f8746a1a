"""A validation split for faces that have none: a fifth of the tested faces, which is then not tested."""

import numpy as np

from agegender.data.splits import count, validation_rows
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

SHARE = 1 / 5
SEED = 0  # always the same, so that models with different seeds are tested on the same faces


def hold_out_fifth(table: FaceTable, split: str) -> tuple[FaceTable, str]:
    """Moves a fifth of a split to val for each dataset without val faces, stratified by age and gender, in whole groups.

    Args:
        table: Faces with their splits.
        split: The tested split.

    Returns:
        The faces, and what to add to the name of the split; empty if nothing was moved.

    Raises:
        AgeGenderError: A dataset has too few groups of tested faces to divide them.
    """
    frame = table.frame
    moved = np.zeros(len(frame), dtype=bool)
    names = []
    for name, rows in frame.groupby("dataset", sort=False).indices.items():
        tested = rows[frame["split"].iloc[rows] == split]
        if (frame["split"].iloc[rows] == "val").any() or not len(tested):
            continue
        chosen = validation_rows(table, tested, SHARE, SEED)
        if len(chosen) in (0, len(tested)):
            raise AgeGenderError(
                f"{name} has no val split, and its {count(len(tested), 'face')} of the {split} split are too few groups of "
                "faces (persons, pictures, copies) to hold out a fifth"
            )
        moved |= frame["group"].isin(frame["group"].iloc[chosen]).to_numpy()
        names.append(str(name))
    if not names:
        return table, ""
    held_out = table.with_columns(split=frame["split"].mask(moved, "val"))
    held_out.notes.append(f"{count(int(moved.sum()), 'face')} moved from {split} to val: {', '.join(names)} had no val split")
    return held_out, f", a fifth of {split} of {', '.join(names)} held out as val"
