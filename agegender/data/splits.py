"""Rules that assign faces to the train, validation and test splits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from agegender.data.stratified import random_key, stratified_groups
from agegender.errors import AgeGenderError
from agegender.sources.faces import SPLITS, FaceTable


class Split(ABC):
    """A rule that assigns faces to splits.

    The split of some faces is predefined: by their dataset, or by files of names. The rule assigns the other faces.

    Attributes:
        name: The rule with all settings that affect its result, for reports.
    """

    name: str

    def assign(self, table: FaceTable, clean: Callable[[FaceTable], FaceTable] = lambda table: table) -> FaceTable:
        """Returns the faces of the three splits, with column ``split`` filled in; no group is in two splits.

        If a group (such as byte-identical copies) has predefined faces in several splits, only those of one split are
        kept: of test if it has any, else of val.

        Args:
            table: Faces; column ``split`` holds the split that a dataset predefines, and NA elsewhere.
            clean: Drops faces before the rule assigns the others. It gets the table without the faces dropped above, so
                that a conflicting label of a train face does not drop a face of a predefined test split.
        """
        return _drop_leaks(self.complete(clean(_drop_leaks(self.predefined(table)))))

    @abstractmethod
    def predefined(self, table: FaceTable) -> FaceTable:
        """Returns the faces that can be used, with their predefined splits."""

    @abstractmethod
    def complete(self, table: FaceTable) -> FaceTable:
        """Returns the faces with a split for each."""

    def describe(self, table: FaceTable) -> str:
        """Returns the name of the rule for these faces; column ``split`` holds predefined splits only."""
        return self.name


class RandomSplit(Split):
    """Assigns faces at random; splits that a dataset predefines are kept.

    The assignment is stratified by decade of age and by gender, and keeps groups together. Each dataset is split on its
    own, so it has the same splits alone and together with others. If a dataset predefines splits, its faces without a
    split go to train and to the splits that it does not predefine. If it predefines train but not val, val is taken out
    of its train split. ``fractions`` gives the proportions in each case.

    The result depends on the dataset, path, labels and group of each face, on the fractions and on the seed. It does not
    depend on the order of rows, on the location of the folder or on the random generator of a library.

    Args:
        fractions: Fractions of the faces for train, val and test; they sum to 1.
        seed: Seed of the random assignment.
        subset: Number of faces to draw at random before the assignment; None uses all faces.

    Raises:
        AgeGenderError: ``fractions`` or ``subset`` has a value that is not allowed.
    """

    def __init__(self, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0, subset: int | None = None) -> None:
        self.fractions = tuple(float(fraction) for fraction in fractions)
        self.seed = seed
        self.subset = subset
        if len(self.fractions) != len(SPLITS) or min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise AgeGenderError(
                f"split.fractions={list(fractions)} must be three numbers >= 0 that sum to 1, for train, val and test"
            )
        if subset is not None and subset < 1:
            raise AgeGenderError(f"split.subset={subset} must be a number of faces >= 1, or null for all faces")
        drawn = "" if subset is None else f" of {subset} faces"
        self.name = f"random {'/'.join(f'{100 * fraction:g}' for fraction in self.fractions)}{drawn} seed {seed}"

    def predefined(self, table: FaceTable) -> FaceTable:
        """Returns the table unchanged."""
        return table

    def describe(self, table: FaceTable) -> str:
        """Returns the name of the rule, preceded by the datasets that predefine splits."""
        owners = table.frame["dataset"][table.frame["split"].notna()].unique()
        return f"predefined splits of {', '.join(owners)}, else {self.name}" if len(owners) else self.name

    def complete(self, table: FaceTable) -> FaceTable:
        """Returns the faces (of the subset) with a split for each.

        Raises:
            AgeGenderError: A split with a fraction > 0 would be empty, or the subset is larger than the table.
        """
        table = self._subset(table)
        splits = table.frame["split"].to_numpy(dtype=object, na_value=None)
        train, val, _ = self.fractions
        notes = []
        for name, rows in sorted(table.frame.groupby("dataset").indices.items()):
            own = splits[rows]
            unassigned = rows[own == None]  # noqa: E711 (an array is compared)
            wanted = [0 if split in own and split != "train" else self.fractions[i] for i, split in enumerate(SPLITS)]
            fractions = [fraction / sum(wanted) for fraction in wanted] if any(own) else self.fractions
            splits[unassigned] = np.array(SPLITS)[stratified_groups(table.frame.iloc[unassigned], fractions, self.seed)]
            if len(unassigned) < len(rows):
                notes.append(f"{name}: the dataset predefines the split of {count(len(rows) - len(unassigned), 'face')}")
            if val and "train" in own and "val" not in own:
                moved = validation_rows(table, rows[own == "train"], val / (train + val), self.seed)
                splits[moved] = "val"
                notes[-1] += f"; {count(len(moved), 'face')} moved from its train split to val"
        empty = [name for i, name in enumerate(SPLITS) if self.fractions[i] > 0 and not (splits == name).any()]
        if empty and not (len(splits) and (splits == "test").all()):  # a dataset may predefine test for all its faces
            raise AgeGenderError(
                f"split.fractions={list(self.fractions)} of {count(len(table), 'face')} in "
                f"{count(table.frame['group'].nunique(), 'group')} gives no face to {' and '.join(empty)}: use more faces, or "
                "set that fraction to 0"
            )
        result = table.with_columns(split=splits)
        result.notes += notes
        return result

    def _subset(self, table: FaceTable) -> FaceTable:
        """The faces of the subset, in the order of the table."""
        if self.subset is None:
            return table
        if self.subset > len(table):
            raise AgeGenderError(
                f"split.subset={self.subset} is more than the {count(len(table), 'face')} that there are; null uses all faces"
            )
        names = zip(table.frame["dataset"], table.frame["path"], strict=True)
        keys = [random_key(self.seed, f"subset/{dataset}/{path}") for dataset, path in names]
        last = sorted(keys)[self.subset - 1]
        result = table.where(np.array([key <= last for key in keys]), f"not drawn (split.subset={self.subset})")
        result.notes.append(f"{self.subset} of {count(len(table), 'face')} drawn at random (split.subset, seed {self.seed})")
        return result


def validation_rows(table: FaceTable, train: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Chooses the rows of ``train`` to move to val: a fraction of them, stratified and in whole groups."""
    return train[stratified_groups(table.frame.iloc[train], (1 - fraction, fraction), seed) == 1]


def _drop_leaks(table: FaceTable) -> FaceTable:
    """Drops train faces in a group with a val or test face, and val faces in a group with a test face.

    Faces without a split are kept.
    """
    rank = table.frame["split"].map({split: rank for rank, split in enumerate(SPLITS)}).astype("float64").fillna(np.inf)
    highest = rank.where(np.isfinite(rank), -1).groupby(table.frame["group"]).transform("max")
    leaks = (rank < highest).to_numpy()
    splits = table.frame["split"].to_numpy(dtype=object, na_value=None)
    reasons = ["" for _ in splits]
    for row in np.flatnonzero(leaks):
        reasons[row] = f"{splits[row]} face in the same group as a {SPLITS[int(highest[row])]} face"
    result = table.where(~leaks, reasons)
    for split in ("train", "val"):
        number = int((leaks & (splits == split)).sum())
        if number:
            result.notes.append(f"{count(number, 'face')} dropped from {split}: in the same group as held-out faces")
    return result


def count(number: int, thing: str) -> str:
    """Returns a number with its noun: ``1 face``, ``2 faces``."""
    return f"{number} {thing}" + ("" if number == 1 else "s")
