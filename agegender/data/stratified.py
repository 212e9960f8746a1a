"""Stratified random assignment of groups of faces to splits."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd


def stratified_groups(frame: pd.DataFrame, fractions: Sequence[float], seed: int) -> np.ndarray:
    """Assigns faces to splits at random: whole groups, stratified by decade of age and gender, reproducible.

    Strata are in random order, and so are the groups within each stratum. A group counts as its first face by dataset and
    path, which gives its stratum and its random position. Each group in this order goes to the split
    that is furthest below its fraction of the faces so far. The fractions therefore hold in each stratum, and overall, to
    within one or two groups.

    Args:
        frame: Frame of a ``FaceTable``.
        fractions: Fraction of the faces for each split; they sum to 1.
        seed: Determines the random order.

    Returns:
        ``[N]`` index into ``fractions`` for each row.
    """
    faces = frame.sort_values(["dataset", "path"])[["dataset", "path", "group", "age_low", "age_high", "gender"]]
    first = faces.drop_duplicates("group")
    decade = ((first["age_low"] + first["age_high"]) / 2 // 10).fillna(-1).astype("int64")
    strata = [random_key(seed, f"{age}/{gender}") for age, gender in zip(decade, first["gender"].fillna(-1), strict=True)]
    # Not by the name of the group: that may be the name of a copy in another dataset, and adding that dataset would then
    # change the split of these faces.
    keys = [random_key(seed, f"{dataset}/{path}") for dataset, path in zip(first["dataset"], first["path"], strict=True)]
    sizes = faces["group"].value_counts().to_dict()
    split_of: dict[str, int] = {}
    assigned, seen = [0] * len(fractions), 0
    for _, _, group in sorted(zip(strata, keys, first["group"], strict=True)):
        seen += sizes[group]
        missing = [fraction * seen - has for fraction, has in zip(fractions, assigned, strict=True)]
        split = missing.index(max(missing))
        split_of[group] = split
        assigned[split] += sizes[group]
    return np.array([split_of[group] for group in frame["group"]], dtype=np.int64)


def random_key(seed: int, name: str) -> bytes:
    """A sort key that gives names a random order, the same with every version of every library."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()
