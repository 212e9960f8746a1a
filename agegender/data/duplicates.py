"""Byte-identical files: which copies are kept, and which are dropped because their labels conflict.

Public face datasets contain the same image under several names, often with different ages. Conflicting labels are
useless for training and for testing.
"""

from typing import Literal, get_args

import pandas as pd

from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

Policy = Literal["keep", "drop_conflicting", "drop"]


def resolve_duplicates(table: FaceTable, policy: Policy) -> FaceTable:
    """Applies a policy to byte-identical files.

    The labels of copies conflict if no single age lies in all their known age intervals, or if their known genders
    differ. Faces with a predefined test split are always kept, so that results stay comparable with published results.

    Args:
        table: Scanned faces, with columns ``sha256`` and ``split`` (NA unless predefined).
        policy: ``keep`` keeps all copies. ``drop_conflicting`` drops all copies of an image with conflicting labels.
            ``drop`` does the same and keeps one of several copies with consistent labels: the first by dataset and path.

    Returns:
        The kept faces; the dropped ones are in ``skipped`` and the counts in ``notes``.

    Raises:
        AgeGenderError: The policy is unknown, or no face is left.
    """
    if policy not in get_args(Policy):
        raise AgeGenderError(f"data.duplicates={policy} must be one of {', '.join(get_args(Policy))}")
    frame = table.frame.assign(name=table.names())
    copies = frame[frame.duplicated("sha256", keep=False)]
    reasons: dict[int, str] = {}
    images = faces = conflicts = conflicting_faces = 0
    for _, same in copies.groupby("sha256", sort=True):
        images, faces = images + 1, faces + len(same)
        conflict = _conflict(same)
        conflicts += bool(conflict)
        conflicting_faces += len(same) if conflict else 0
        if conflict and policy != "keep":
            reasons |= dict.fromkeys(same.index, f"byte-identical copies have conflicting labels: {conflict}")
        elif policy == "drop":
            same = same.sort_values(["dataset", "path"])
            reasons |= dict.fromkeys(same.index[1:], f"byte-identical to {same['name'].iloc[0]}")
    if not images:
        return table
    predefined = reasons.keys() & set(frame.index[frame["split"] == "test"])
    for row in predefined:
        del reasons[row]
    kept = [row not in reasons for row in range(len(frame))]
    result = table.where(kept, [reasons.get(row, "") for row in range(len(frame))])
    result.notes += [
        f"{images} images have several byte-identical files ({faces} files), {conflicts} of them with conflicting "
        f"labels ({conflicting_faces} files): {len(reasons)} faces dropped (data.duplicates={policy})"
        + (f"; {len(predefined)} more are kept, because they are in a predefined test split" if predefined else "")
    ]
    if not len(result):
        raise AgeGenderError(f"data.duplicates={policy} drops all {len(table)} faces: all are copies with conflicting labels")
    return result


def _conflict(same: pd.DataFrame) -> str:
    """The conflicting labels of copies in words; empty without a conflict."""
    conflicts = []
    if same["age_low"].max() > same["age_high"].min():
        ages = sorted(set(zip(same["age_low"].dropna(), same["age_high"].dropna(), strict=True)))
        conflicts.append("ages " + ", ".join(f"{low:g}" if low == high else f"{low:g}-{high:g}" for low, high in ages))
    if same["gender"].nunique() > 1:
        conflicts.append("genders 0 and 1")
    return "; ".join(conflicts)
