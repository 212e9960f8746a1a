"""A stress test: the ages of the test split do not occur in training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from agegender.data.splits import Split, count, validation_rows
from agegender.errors import AgeGenderError
from agegender.sources.faces import SPLITS, FaceTable


class UnseenAges(Split):
    """Trains and validates on faces of some ages, and tests on all faces outside these ages.

    Faces with an unknown age, or with a labelled range that is partly inside and partly outside, are dropped and counted.
    Splits that a dataset predefines are ignored. The test follows arXiv 2605.29230.

    Args:
        train_ages: First and last age of the train and val splits, in years, both included.
        val_fraction: Fraction of the faces of these ages to use as the val split, at least 0 and below 1.
        seed: Seed of the val split.

    Raises:
        AgeGenderError: An argument has a value that is not allowed.
    """

    def __init__(self, train_ages: Sequence[float] = (18, 59), val_fraction: float = 0.1, seed: int = 0) -> None:
        if len(train_ages) != 2 or not 0 <= train_ages[0] <= train_ages[1]:
            raise AgeGenderError(f"split.train_ages={list(train_ages)} must be two ages, [first, last], for example [18, 59]")
        if not 0 <= val_fraction < 1:
            raise AgeGenderError(f"split.val_fraction={val_fraction} must be at least 0 and below 1")
        self.first, self.last = train_ages
        self.val_fraction = val_fraction
        self.seed = seed
        self.name = f"unseen ages, train {self.first:g} to {self.last:g}, val {100 * val_fraction:g} of train, seed {seed}"

    def predefined(self, table: FaceTable) -> FaceTable:
        """Returns the faces that are entirely inside or outside the ages of training; those outside are in the test split."""
        low, high = table.frame["age_low"], table.frame["age_high"]
        # Labels are whole years of life: somebody of 59.5 is 59.
        inside = (low >= self.first) & (high < np.floor(self.last) + 1)
        outside = (high < self.first) | (low >= np.floor(self.last) + 1)
        reasons = np.where(low.isna(), "age is unknown", f"age range is partly inside {self.first:g} to {self.last:g}")
        usable = inside | outside
        splits = pd.Series(pd.NA, index=table.frame.index, dtype="string").mask(outside, "test")
        result = table.with_columns(split=splits).where(usable, reasons.tolist())
        for reason, number in pd.Series(reasons)[~usable.to_numpy()].value_counts(sort=False).items():
            result.notes.append(f"{count(int(number), 'face')} dropped: {reason} (split=unseen_ages)")
        return result

    def complete(self, table: FaceTable) -> FaceTable:
        """Puts the other faces into train and val.

        Raises:
            AgeGenderError: A split would be empty.
        """
        splits = table.frame["split"].fillna("train").to_numpy(dtype=object)
        if self.val_fraction:
            splits[validation_rows(table, np.flatnonzero(splits == "train"), self.val_fraction, self.seed)] = "val"
        empty = [split for split in SPLITS if not (splits == split).any() and (split != "val" or self.val_fraction)]
        if empty:
            raise AgeGenderError(f"split ({self.name}): none of {count(len(table), 'face')} is in {' or '.join(empty)}")
        return table.with_columns(split=splits)
