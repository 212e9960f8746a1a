"""Which face belongs to train, val or test; and the checksum that says so beside every figure."""

import csv
import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError
from agegender.sources.faces import PARTS, FaceTable

CSV_COLUMNS = ("dataset", "path", "split", "age_low", "age_high", "gender", "group")
_LISTED = 5


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
    """

    def __init__(self, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0) -> None:
        self.fractions = tuple(float(fraction) for fraction in fractions)
        self.seed = seed
        if len(self.fractions) != len(PARTS) or min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise AgeGenderError(f"split.fractions={list(fractions)}: needed are train, val and test, summing to 1")
        if self.fractions[0] == 0:
            raise AgeGenderError(f"split.fractions={list(fractions)} leaves nothing to train on")
        self.name = f"random {'/'.join(f'{100 * fraction:g}' for fraction in self.fractions)} seed {seed}"

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
            AgeGenderError: some part that is asked for would hold no face.
        """
        parts = table.frame["split"].to_numpy(dtype=object, na_value=None)
        train, val, _ = self.fractions
        notes = []
        for name, rows in sorted(table.frame.groupby("dataset").indices.items()):
            own = parts[rows]
            unnamed = rows[own == None]  # noqa: E711 (an array is compared)
            wanted = [0 if part in own else share for part, share in zip(PARTS[1:], self.fractions[1:], strict=True)]
            shares = np.array([train, *wanted]) / (train + sum(wanted)) if any(own) else self.fractions
            parts[unnamed] = np.array(PARTS)[deal(table.frame.iloc[unnamed], shares, self.seed)]
            if len(unnamed) < len(rows):
                notes.append(f"{name}: {_count(len(rows) - len(unnamed), 'face')} stay in the part that the data set names")
            if val and "train" in own and "val" not in own:
                carved = _carve(table.frame, rows[own == "train"], val / (train + val), self.seed)
                parts[carved] = "val"
                notes[-1] += f"; {_count(len(carved), 'face')} of its train part become val"
        empty = [name for i, name in enumerate(PARTS) if self.fractions[i] > 0 and not (parts == name).any()]
        if empty:
            raise AgeGenderError(
                f"split.fractions={list(self.fractions)} of {_count(len(table), 'face')} in "
                f"{_count(table.frame['group'].nunique(), 'group')} leaves no face for {' and '.join(empty)}: "
                "give more faces, or set that fraction to 0"
            )
        result = _with_split(table, parts)
        result.notes += notes
        return result


class FileSplit(Split):
    """A published split: CSV files of names, one for each part.

    A name matches the face whose path equals it or ends with it, whole path parts only. Train faces tied to a test or
    val face (byte-identical copies) are dropped from train, val faces tied to a test face from val. A name whose face
    was set aside earlier (a broken file, a conflicting copy) is counted, not an error.

    Args:
        train: CSV file of the train faces.
        test: CSV file of the test faces.
        val: CSV file of the val faces; without it val is carved out of train as `RandomSplit` would.
        column: the column that holds the names.
        val_fraction: part of train to carve out where there is no val file; 0 for no val part.
        seed: decides which faces are carved out.
        missing: what to do when the data set lacks faces that the files name: `error`, or `skip` and report.
    """

    def __init__(
        self,
        train: str,
        test: str,
        val: str | None = None,
        column: str = "file",
        val_fraction: float = 0.1,
        seed: int = 0,
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        if not 0 <= val_fraction < 1:
            raise AgeGenderError(f"split.val_fraction={val_fraction} must be at least 0 and below 1")
        if missing not in ("error", "skip"):
            raise AgeGenderError(f"data.missing={missing} is neither error nor skip")
        self.files = {"train": Path(train).expanduser(), "test": Path(test).expanduser()}
        if val is not None:
            self.files["val"] = Path(val).expanduser()
        self.column = column
        self.val_fraction = val_fraction
        self.seed = seed
        self.missing = missing
        rest = "" if val is not None else f" val {100 * val_fraction:g} of train seed {seed}"
        self.name = f"file {'+'.join(path.stem for path in self.files.values())}{rest}"

    def deal(self, table: FaceTable) -> FaceTable:
        """Carves val out of train where there is no val file.

        Raises:
            AgeGenderError: some part would be empty.
        """
        parts = table.frame["split"].to_numpy(dtype=object)
        if "val" not in self.files and self.val_fraction:
            parts[_carve(table.frame, np.flatnonzero(parts == "train"), self.val_fraction, self.seed)] = "val"
        empty = [part for part in PARTS if part not in parts and (part in self.files or self.val_fraction)]
        if empty:
            raise AgeGenderError(f"split ({self.name}): no face for {' and '.join(empty)} among {len(table)} faces")
        return _with_split(table, parts)

    def written(self, table: FaceTable) -> FaceTable:
        """Keeps the faces that the files name, whatever the data set names itself.

        Raises:
            AgeGenderError: a file cannot be read or lacks the column, two files name one face, a name matches several
                faces, or faces are missing (unless they may be).
        """
        paths = table.frame["path"].tolist()
        rows_of: dict[str, list[int]] = {}
        for row, path in enumerate(paths):
            rows_of.setdefault(PurePosixPath(path).name, []).append(row)
        set_aside = {PurePosixPath(one.path).name for one in table.skipped}
        parts = np.full(len(table), None, dtype=object)
        absent: list[str] = []
        gone: list[str] = []
        for part, file in self.files.items():
            for entry in _read_names(file, self.column, f"split.{part}"):
                name = PurePosixPath(entry).name
                rows = [row for row in rows_of.get(name, []) if f"/{paths[row]}".endswith(f"/{entry}")]
                if not rows:
                    (gone if name in set_aside else absent).append(entry)
                elif len(rows) > 1:
                    both = " or ".join(paths[row] for row in rows[:2])
                    raise AgeGenderError(f"split.{part}={file}: {entry} can be {both}: give more of its path")
                elif parts[rows[0]] not in (None, part):
                    raise AgeGenderError(f"split.{part}={file}: {entry} stands in the {parts[rows[0]]} file too")
                else:
                    parts[rows[0]] = part
        named = np.array([part is not None for part in parts], dtype=bool)
        result = _with_split(table, parts).where(named, "in no part of the split")
        if absent:
            first = ", ".join(absent[:_LISTED]) + (", ..." if len(absent) > _LISTED else "")
            what = f"{_count(len(absent), 'face')} named by the split not found in the data: {first}"
            if self.missing == "error":
                raise AgeGenderError(f"{what}; data.missing=skip goes on without them")
            result.notes.append(f"{what} (data.missing=skip)")
        if gone:
            result.notes.append(f"{_count(len(gone), 'face')} named by the split had been set aside before")
        if not named.all():
            result.notes.append(f"{_count(int((~named).sum()), 'face')} in no part of the split: left out")
        return result


def deal(frame: pd.DataFrame, fractions: Sequence[float], seed: int) -> np.ndarray:
    """Deals faces to parts: stratified, group-safe, reproducible.

    Groups are laid in one line, stratum after stratum (decade of age and gender of the group's first face by data set
    and path), the strata and the groups within each in the order of seeded hashes of their names. Walking the line,
    each group goes to the part that lags most behind its share of the faces so far. So every stretch of the line, a
    stratum among them, is divided as asked to within a group or two, and so is the whole.

    Returns:
        [N] index into `fractions` for each row.
    """
    faces = frame.sort_values(["dataset", "path"])[["group", "age_low", "age_high", "gender"]]
    first = faces.drop_duplicates("group")
    decade = ((first["age_low"] + first["age_high"]) / 2 // 10).fillna(-1).astype("int64")
    strata = [_order(seed, f"{age}/{gender}") for age, gender in zip(decade, first["gender"].fillna(-1), strict=True)]
    line = sorted(zip(strata, [_order(seed, group) for group in first["group"]], first["group"], strict=True))
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


def _carve(frame: pd.DataFrame, train: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """The rows of `train` that become val: a stratified, group-safe fraction of them."""
    return train[deal(frame.iloc[train], (1 - fraction, fraction), seed) == 1]


def _order(seed: int, name: str) -> bytes:
    """A place in a random order that depends on seed and name alone."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def _untie(table: FaceTable) -> FaceTable:
    """Leaves out of train what is tied to val or test, and out of val what is tied to test; faces without a part stay."""
    rank = table.frame["split"].map({part: rank for rank, part in enumerate(PARTS)}).astype("float64").fillna(np.inf)
    highest = rank.where(np.isfinite(rank), -1).groupby(table.frame["group"]).transform("max")
    tied = (rank < highest).to_numpy()
    parts = table.frame["split"].to_numpy(dtype=object, na_value=None)
    reasons = ["" for _ in parts]
    for row in np.flatnonzero(tied):
        reasons[row] = f"{parts[row]} face in one group with a {PARTS[int(highest[row])]} face"
    result = table.where(~tied, reasons)
    for part in ("train", "val"):
        number = int((tied & (parts == part)).sum())
        if number:
            result.notes.append(f"{_count(number, 'face')} dropped from {part}: in one group with held-out faces")
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


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _with_split(table: FaceTable, parts: np.ndarray) -> FaceTable:
    frame = table.frame.assign(split=pd.array(list(parts), dtype="string"))
    return FaceTable(frame, dict(table.roots), list(table.skipped), list(table.notes))


def _read_names(file: Path, column: str, key: str) -> list[str]:
    try:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise AgeGenderError(f"{key}={file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if column not in frame.columns:
        raise AgeGenderError(f"{key}={file} has no column {column!r} (split.column); it has {', '.join(frame.columns)}")
    return frame[column].tolist()
