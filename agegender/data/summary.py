"""A face table in words: what a person should know before training on it."""

import pandas as pd

from agegender.sources.faces import SPLITS, FaceTable, Skipped

SHOWN = 5  # set-aside files listed for each reason; the rest is counted


def summary(table: FaceTable, licenses: dict[str, str], split_name: str, sha256: str) -> list[str]:
    """Lines on faces, labels, set-aside files, copies and parts.

    Args:
        table: With its split.
        licenses: One line for each data set by name.
        split_name: Of the split.
        sha256: Checksum of the split's ``split.csv``.
    """
    frame = table.frame
    lines = []
    for name, rows in frame.groupby("dataset", sort=False):
        lines += [f"{name}: {len(rows)} faces in {table.roots[str(name)]}  ({_parts(rows)})", f"  {licenses[str(name)]}"]
    lines += _labels(frame)
    lines += [f"note: {note}" for note in table.notes]
    lines += _set_aside(table.skipped)
    lines.append(f"split {split_name}: {_parts(frame)}  sha256 {sha256}")
    return lines


def _parts(frame: pd.DataFrame) -> str:
    return "  ".join(f"{part} {int((frame['split'] == part).sum())}" for part in SPLITS)


def _set_aside(skipped: list[Skipped]) -> list[str]:
    """Reasons are grouped by what stands before a colon; what follows it belongs to the single file."""
    kinds: dict[str, list[str]] = {}
    for face in skipped:
        kind, _, detail = face.reason.partition(": ")
        kinds.setdefault(kind, []).append(face.path + (f" ({detail})" if detail else ""))
    lines = [f"set aside: {len(skipped)} files or faces"] if skipped else []
    for kind, paths in sorted(kinds.items(), key=lambda item: -len(item[1])):
        lines.append(f"  {len(paths)} x {kind}")
        lines += [f"      {path}" for path in paths[:SHOWN]]
        lines += [f"      ... and {len(paths) - SHOWN} more"] if len(paths) > SHOWN else []
    return lines


def _labels(frame: pd.DataFrame) -> list[str]:
    ages = frame["age_low"]
    is_exact = ages == frame["age_high"]  # exact ages are counted by decade, ranges as they are
    exact = int(is_exact.sum())
    lines = [f"age: {exact} exact, {int(ages.notna().sum()) - exact} ranges, {int(ages.isna().sum())} unknown"]
    low, high = ages.mask(is_exact, ages // 10 * 10), frame["age_high"].mask(is_exact, ages // 10 * 10 + 9)
    band = ("  " + low.map("{:.0f}".format)).str[-3:] + "-" + high.map("{:.0f}".format)
    band = band.mask(ages.isna(), "unknown")
    gender = frame["gender"].map({0: "male", 1: "female"}).fillna("unknown")
    counts = pd.crosstab(band.rename("age"), gender.rename("gender"), margins=True, margins_name="all")
    lines += [f"  {line}" for line in counts.to_string().splitlines()]
    races = frame["race"].fillna("unknown").value_counts()
    lines.append("race as labelled: " + ", ".join(f"{race} {count}" for race, count in races.items()))
    return lines
