"""Which face belongs to train, val or test; and the checksum that says so beside every figure."""

import csv
import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError
from agegender.sources.faces import SPLITS, FaceTable

CSV_COLUMNS = ("dataset", "path", "split", "age_low", "age_high", "gender", "group")


class Split(ABC):
    """A rule that assigns faces to parts.

    Some faces have a part that is written down, in files of names or by the data set itself; the rule deals the others.

    Attributes:
        name: of the rule with all that decides its outcome, for reports.
    """

    name: str

    def assign(self, table: FaceTable, clean: Callable[[FaceTable], FaceTable] = lambda table: table) -> FaceTable:
        """The faces that belong to a part, with column `split` filled in and no group in two parts.

        Of faces in one group (byte-identical copies) but in several parts, those of test stay, else those of val.

        Args:
            table: faces; column `split` holds the part that a data set names itself.
            clean: leaves faces out before any are dealt. It sees the written parts, freed of such copies: a test face
                does not leave a published test part because a train face contradicts it.
        """
        return _untie(self.deal(clean(_untie(self.written(table)))))

    @abstractmethod
    def written(self, table: FaceTable) -> FaceTable:
        """The faces that can belong to a part, with the parts that are written down."""

    @abstractmethod
    def deal(self, table: FaceTable) -> FaceTable:
        """The same faces, each with a part."""

    def describe(self, table: FaceTable) -> str:
        """The rule's name with what applies to these faces, before parts were assigned."""
        return self.name


class RandomSplit(Split):
    """Parts that data sets name themselves are kept; all other faces are dealt at random.

    Dealing is stratified by decade of age and by gender, never tears a group, and goes data set by data set, so that
    each has the parts it would have alone. What a data set leaves unnamed goes to train and to the parts that it does
    not name. If it names train but no val, a val part is carved out of its train part. All that in the ratios of the
    fractions.

    The outcome depends on the faces' data sets, paths, labels and groups, on the fractions and on the seed alone: not
    on the order of rows, on where the folder lies or on any library's random numbers.

    Args:
        fractions: of faces for train, val and test; they sum to 1.
        seed: another seed, another split.
        subset: number of faces to draw before any is dealt, each equally probable; None for all.
    """

    def __init__(self, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0, subset: int | None = None) -> None:
        self.fractions = tuple(float(fraction) for fraction in fractions)
        self.seed = seed
        self.subset = subset
        if len(self.fractions) != len(SPLITS) or min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise AgeGenderError(f"split.fractions={list(fractions)}: needed are train, val and test, summing to 1")
        if subset is not None and subset < 1:
            raise AgeGenderError(f"split.subset={subset}: needed is a number of faces, or null for all")
        drawn = "" if subset is None else f" of {subset} faces"
        self.name = f"random {'/'.join(f'{100 * fraction:g}' for fraction in self.fractions)}{drawn} seed {seed}"

    def written(self, table: FaceTable) -> FaceTable:
        """All faces, as they are."""
        return table

    def describe(self, table: FaceTable) -> str:
        """The rule's name, after the data sets that name parts themselves."""
        owners = table.frame["dataset"][table.frame["split"].notna()].unique()
        return f"own parts of {', '.join(owners)}, else {self.name}" if len(owners) else self.name

    def deal(self, table: FaceTable) -> FaceTable:
        """Every face gets a part.

        Raises:
            AgeGenderError: some part that is asked for would hold no face, or the subset is larger than the table.
        """
        table = self._drawn(table)
        parts = table.frame["split"].to_numpy(dtype=object, na_value=None)
        train, val, _ = self.fractions
        notes = []
        for name, rows in sorted(table.frame.groupby("dataset").indices.items()):
            own = parts[rows]
            unnamed = rows[own == None]  # noqa: E711 (an array is compared)
            wanted = [0 if part in own and part != "train" else self.fractions[i] for i, part in enumerate(SPLITS)]
            shares = [share / sum(wanted) for share in wanted] if any(own) else self.fractions
            parts[unnamed] = np.array(SPLITS)[deal(table.frame.iloc[unnamed], shares, self.seed)]
            if len(unnamed) < len(rows):
                notes.append(f"{name}: {count(len(rows) - len(unnamed), 'face')} stay in the part that the data set names")
            if val and "train" in own and "val" not in own:
                carved = carve(table.frame, rows[own == "train"], val / (train + val), self.seed)
                parts[carved] = "val"
                notes[-1] += f"; {count(len(carved), 'face')} of its train part become val"
        empty = [name for i, name in enumerate(SPLITS) if self.fractions[i] > 0 and not (parts == name).any()]
        if empty and not (len(parts) and (parts == "test").all()):  # a data set that is all test is there to be tested on
            raise AgeGenderError(
                f"split.fractions={list(self.fractions)} of {count(len(table), 'face')} in "
                f"{count(table.frame['group'].nunique(), 'group')} leaves no face for {' and '.join(empty)}: "
                "give more faces, or set that fraction to 0"
            )
        result = with_parts(table, parts)
        result.notes += notes
        return result

    def _drawn(self, table: FaceTable) -> FaceTable:
        """The faces of the subset, in the order of the table."""
        if self.subset is None:
            return table
        if self.subset > len(table):
            raise AgeGenderError(f"split.subset={self.subset}: there are {count(len(table), 'face')} only; null takes them all")
        names = zip(table.frame["dataset"], table.frame["path"], strict=True)
        places = [_order(self.seed, f"subset/{dataset}/{path}") for dataset, path in names]
        last = sorted(places)[self.subset - 1]
        result = table.where(np.array([place <= last for place in places]), f"not drawn: split.subset={self.subset}")
        result.notes.append(f"{self.subset} of {count(len(table), 'face')} drawn by seed {self.seed}")
        return result


def deal(frame: pd.DataFrame, fractions: Sequence[float], seed: int) -> np.ndarray:
    """Deals faces to parts: stratified, group-safe, reproducible.

    Groups are laid in one line, stratum after stratum (decade of age and gender of the group's first face by data set
    and path), the strata and the groups within each in the order of seeded hashes of their first faces' names. Walking
    the line, each group goes to the part that lags most behind its share of the faces so far. So every stretch of the
    line, a stratum among them, is divided as asked to within a group or two, and so is the whole.

    Returns:
        [N] index into `fractions` for each row.
    """
    faces = frame.sort_values(["dataset", "path"])[["dataset", "path", "group", "age_low", "age_high", "gender"]]
    first = faces.drop_duplicates("group")
    decade = ((first["age_low"] + first["age_high"]) / 2 // 10).fillna(-1).astype("int64")
    strata = [_order(seed, f"{age}/{gender}") for age, gender in zip(decade, first["gender"].fillna(-1), strict=True)]
    # Not by the group's name, which may come from a copy in another data set and would move these faces when that joins.
    orders = [_order(seed, f"{dataset}/{path}") for dataset, path in zip(first["dataset"], first["path"], strict=True)]
    line = sorted(zip(strata, orders, first["group"], strict=True))
    sizes = faces["group"].value_counts().to_dict()
    part_of: dict[str, int] = {}
    dealt, seen = [0] * len(fractions), 0
    for _, _, group in line:
        seen += sizes[group]
        lag = [fraction * seen - has for fraction, has in zip(fractions, dealt, strict=True)]
        part = lag.index(max(lag))
        part_of[group] = part
        dealt[part] += sizes[group]
    return np.array([part_of[group] for group in frame["group"]], dtype=np.int64)


def carve(frame: pd.DataFrame, train: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """The rows of `train` that become val: a stratified, group-safe fraction of them."""
    return train[deal(frame.iloc[train], (1 - fraction, fraction), seed) == 1]


def _order(seed: int, name: str) -> bytes:
    """A place in a random order that depends on seed and name alone."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def _untie(table: FaceTable) -> FaceTable:
    """Leaves out of train what is tied to val or test, and out of val what is tied to test; faces without a part stay."""
    rank = table.frame["split"].map({part: rank for rank, part in enumerate(SPLITS)}).astype("float64").fillna(np.inf)
    highest = rank.where(np.isfinite(rank), -1).groupby(table.frame["group"]).transform("max")
    tied = (rank < highest).to_numpy()
    parts = table.frame["split"].to_numpy(dtype=object, na_value=None)
    reasons = ["" for _ in parts]
    for row in np.flatnonzero(tied):
        reasons[row] = f"{parts[row]} face in one group with a {SPLITS[int(highest[row])]} face"
    result = table.where(~tied, reasons)
    for part in ("train", "val"):
        number = int((tied & (parts == part)).sum())
        if number:
            result.notes.append(f"{count(number, 'face')} dropped from {part}: in one group with held-out faces")
    return result


def split_csv(table: FaceTable) -> str:
    """The split as text: which face, which part, which labels; sorted, with line feeds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    rows = table.frame[list(CSV_COLUMNS)].astype(object)
    writer.writerows(sorted([_text(value) for value in row] for row in rows.itertuples(index=False, name=None)))
    return text.getvalue()


def checksum(csv_text: str) -> str:
    """SHA-256 of a split's text, in hex; equal checksums mean equal faces, parts and labels."""
    return hashlib.sha256(csv_text.encode()).hexdigest()


def _text(value: object) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def count(number: int, thing: str) -> str:
    """A number of things in words."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def with_parts(table: FaceTable, parts: np.ndarray) -> FaceTable:
    """The table with another column `split`; None where there is no part."""
    frame = table.frame.assign(split=pd.array(list(parts), dtype="string"))
    return FaceTable(frame, dict(table.roots), list(table.skipped), list(table.notes))
