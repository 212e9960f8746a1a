"""Byte-identical files: tied into one group, and judged where their labels disagree.

Public face data sets hold the same image under several names, often with several ages. Copies on both sides of a
split leak the test part into training, and contradicting labels teach and test nothing.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

Policy = Literal["keep", "drop_conflicting", "drop"]


def tie(group: Sequence[str], key: Sequence[str]) -> list[str]:
    """Joins groups that share a key, also through others (a-b and b-c make one of a, b and c).

    Args:
        group: a group's name for each face.
        key: faces of equal keys belong together.

    Returns:
        One name for each face: the alphabetically first of the groups that were joined.
    """
    names, group_id = np.unique(np.asarray(group, dtype=object), return_inverse=True)
    keys, key_id = np.unique(np.asarray(key, dtype=object), return_inverse=True)
    label = group_id
    while True:
        spread = _smallest(_smallest(label, key_id, len(keys)), group_id, len(names))
        if (spread == label).all():
            return names[label].tolist()
        label = spread


def _smallest(label: np.ndarray, bucket: np.ndarray, buckets: int) -> np.ndarray:
    """For each face the smallest label in its bucket."""
    smallest = np.full(buckets, np.iinfo(np.int64).max)
    np.minimum.at(smallest, bucket, label)
    return smallest[bucket]


def resolve(table: FaceTable, policy: Policy) -> FaceTable:
    """Decides what stays of byte-identical files.

    Labels of copies conflict when no single age lies in all of their known age intervals, or when two known genders
    differ. Faces that are written down as test stay whatever the policy, so that figures compare with published ones.

    Args:
        table: scanned faces (with column `sha256`), copies already in one group; `split` where it is written down.
        policy: `keep` keeps every copy; `drop_conflicting` leaves out all copies of an image with conflicting labels;
            `drop` does so too, and of agreeing copies keeps only the first by data set and path.

    Returns:
        The faces that stay, with the others in `skipped` and the counts in `notes`.

    Raises:
        AgeGenderError: the policy is unknown, or no face is left.
    """
    if policy not in ("keep", "drop_conflicting", "drop"):
        raise AgeGenderError(f"data.duplicates={policy} is none of keep, drop_conflicting, drop")
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
            reasons |= dict.fromkeys(same.index, f"byte-identical copies carry conflicting labels: {conflict}")
        elif policy == "drop":
            same = same.sort_values(["dataset", "path"])
            reasons |= dict.fromkeys(same.index[1:], f"byte-identical to {same['name'].iloc[0]}")
    if not images:
        return table
    published = reasons.keys() & set(frame.index[frame["split"] == "test"])
    for row in published:
        del reasons[row]
    kept = [row not in reasons for row in range(len(frame))]
    result = table.where(kept, [reasons.get(row, "") for row in range(len(frame))])
    result.notes += [
        f"{images} images stand in several byte-identical files ({faces} files), {conflicts} of them with conflicting "
        f"labels ({conflicting_faces} files): {len(reasons)} faces left out (data.duplicates={policy})"
        + (f"; {len(published)} more stay, in a published test part" if published else "")
    ]
    if not len(result):
        raise AgeGenderError(f"data.duplicates={policy} leaves no face of {len(table)}: all are copies that disagree")
    return result


def _conflict(same: pd.DataFrame) -> str:
    """What copies disagree about, or an empty string."""
    conflicts = []
    if same["age_low"].max() > same["age_high"].min():
        ages = sorted(set(zip(same["age_low"].dropna(), same["age_high"].dropna(), strict=True)))
        conflicts.append("ages " + ", ".join(f"{low:g}" if low == high else f"{low:g}-{high:g}" for low, high in ages))
    if same["gender"].nunique() > 1:
        conflicts.append("genders 0 and 1")
    return "; ".join(conflicts)
