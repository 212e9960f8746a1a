"""Cross-validation: each fold in turn is the test split."""

import numpy as np
import pandas as pd

from agegender.data.splits import Split, count, validation_rows
from agegender.data.stratified import stratified_groups
from agegender.errors import AgeGenderError
from agegender.sources.faces import SPLITS, FaceTable

PUBLISHED = "fold"  # column of the face table with the fold that a dataset publishes


class Folds(Split):
    """Tests on one fold, and trains and validates on the others.

    The folds that a dataset publishes, such as Adience, are used. The faces of other datasets are divided at random into
    folds of equal size, stratified by decade of age and by gender, with each group in one fold. Each dataset is divided on its
    own. Train, val and test splits that a dataset predefines are ignored.

    Args:
        number: Fold of the test split, from 0.
        count: Number of folds, at least 2.
        val_fraction: Fraction of the faces of the other folds to use as the val split, at least 0 and below 1.
        seed: Seed of the random folds and of the val split.

    Raises:
        AgeGenderError: An argument has a value that is not allowed.
    """

    def __init__(self, number: int = 0, count: int = 5, val_fraction: float = 0.1, seed: int = 0) -> None:
        if count < 2:
            raise AgeGenderError(f"split.count={count} must be at least 2")
        if not 0 <= number < count:
            raise AgeGenderError(
                f"split.number={number} must be 0 to {count - 1}, because there are {count} folds (split.count)"
            )
        if not 0 <= val_fraction < 1:
            raise AgeGenderError(f"split.val_fraction={val_fraction} must be at least 0 and below 1")
        self.number = number
        self.count = count
        self.val_fraction = val_fraction
        self.seed = seed
        self.name = f"fold {number} of {count}, val {100 * val_fraction:g} of train, seed {seed}"

    def describe(self, table: FaceTable) -> str:
        """Returns the name of the rule, preceded by the datasets that publish folds."""
        owners = [name for name, rows in table.frame.groupby("dataset", sort=False) if _published(rows) is not None]
        return f"published folds of {', '.join(map(str, owners))}, {self.name}" if owners else self.name

    def predefined(self, table: FaceTable) -> FaceTable:
        """Returns all faces, with the splits that follow from published folds.

        Raises:
            AgeGenderError: A dataset publishes another number of folds, or no fold for some of its faces.
        """
        splits = np.full(len(table), None, dtype=object)
        for dataset, rows in table.frame.groupby("dataset").indices.items():
            folds = _published(table.frame.iloc[rows])
            if folds is None:
                continue
            names = sorted(set(folds.dropna()))
            if folds.isna().any():
                raise AgeGenderError(f"split=folds: {dataset} publishes no fold for {int(folds.isna().sum())} of its faces")
            if len(names) != self.count:
                raise AgeGenderError(f"split.count={self.count}: {dataset} publishes {len(names)} folds ({', '.join(names)})")
            splits[rows] = np.where(folds == names[self.number], "test", "train")
        return table.with_columns(split=splits)

    def complete(self, table: FaceTable) -> FaceTable:
        """Divides the faces without published folds, and moves train faces to val.

        Raises:
            AgeGenderError: A split would be empty.
        """
        splits = table.frame["split"].to_numpy(dtype=object, na_value=None)
        for _, rows in sorted(table.frame.groupby("dataset").indices.items()):
            unassigned = rows[splits[rows] == None]  # noqa: E711 (an array is compared)
            folds = stratified_groups(table.frame.iloc[unassigned], [1 / self.count] * self.count, self.seed)
            splits[unassigned] = np.where(folds == self.number, "test", "train")
            if self.val_fraction:
                train = rows[splits[rows] == "train"]
                splits[validation_rows(table, train, self.val_fraction, self.seed)] = "val"
        empty = [split for split in SPLITS if not (splits == split).any() and (split != "val" or self.val_fraction)]
        if empty:
            groups = count(table.frame["group"].nunique(), "group")
            raise AgeGenderError(
                f"split ({self.name}): {count(len(table), 'face')} in {groups} give no face to {' and '.join(empty)}"
            )
        return table.with_columns(split=splits)


class OutOfFold(Split):
    """Puts every face into the test split: over all folds, each face is tested once."""

    name = "out of fold"

    def predefined(self, table: FaceTable) -> FaceTable:
        """Returns all faces; those with a published fold are in the test split, other predefined splits are ignored."""
        folds = table.frame.get(PUBLISHED, pd.Series(pd.NA, index=table.frame.index))
        return table.with_columns(split=["test" if known else None for known in folds.notna()])

    def complete(self, table: FaceTable) -> FaceTable:
        """Returns the faces, all in the test split."""
        return table.with_columns(split="test")


def _published(faces: pd.DataFrame) -> "pd.Series[str] | None":
    """The published fold of each face of one dataset; None if it publishes none."""
    if PUBLISHED not in faces or faces[PUBLISHED].isna().all():
        return None
    return faces[PUBLISHED].astype("string")
