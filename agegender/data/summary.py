"""The printed summary of a face table: faces, labels, skipped files, copies and splits."""

from collections.abc import Mapping

import pandas as pd

from agegender.data.crop_report import crop_lines, image_counts, stretch_warnings
from agegender.escaping import one_line
from agegender.sources.crop import Crop
from agegender.sources.faces import SPLITS, FaceTable, Skipped

EXAMPLES = 5  # skipped files listed for each reason


def summary(
    table: FaceTable,
    licenses: dict[str, str],
    crops: Mapping[str, Crop],
    split_name: str,
    split_sha256: str,
    content_sha256: str,
) -> list[str]:
    """Returns the lines of the summary. Names in them are escaped for a terminal.

    Args:
        table: Faces with their splits.
        licenses: License line of each dataset, by name.
        crops: The crop of each dataset, by name.
        split_name: Name of the split rule.
        split_sha256: Checksum of the faces, their splits and labels.
        content_sha256: Checksum of the same and of the images.
    """
    frame = table.frame
    lines = []
    for name, rows in frame.groupby("dataset", sort=False):
        lines += [f"{name}: {len(rows)} faces in {table.roots[str(name)]}  ({_sizes(rows)})", f"  {licenses[str(name)]}"]
    lines += _labels(frame)
    images = image_counts(frame, crops)
    lines += [f"note: {note}" for note in [*crop_lines(images), *table.notes]]
    lines += [f"warning: {warning}" for warning in stretch_warnings(images)]
    lines += _skipped(table.skipped)
    lines.append(f"split {split_name}: {_sizes(frame)}  sha256 {split_sha256}  content_sha256 {content_sha256}")
    return [one_line(line) for line in lines]


def _sizes(frame: pd.DataFrame) -> str:
    return "  ".join(f"{split} {int((frame['split'] == split).sum())}" for split in SPLITS)


def _skipped(skipped: list[Skipped]) -> list[str]:
    """Lines for each kind of reason: the text before a colon is the kind, the text after it is specific to the file."""
    kinds: dict[str, list[str]] = {}
    for face in skipped:
        kind, _, detail = face.reason.partition(": ")
        kinds.setdefault(kind, []).append(face.path + (f" ({detail})" if detail else ""))
    lines = [f"skipped: {len(skipped)} files or faces"] if skipped else []
    for kind, paths in sorted(kinds.items(), key=lambda item: -len(item[1])):
        lines.append(f"  {len(paths)} x {kind}")
        lines += [f"      {path}" for path in paths[:EXAMPLES]]
        lines += [f"      ... and {len(paths) - EXAMPLES} more"] if len(paths) > EXAMPLES else []
    return lines


def _labels(frame: pd.DataFrame) -> list[str]:
    ages = frame["age_low"]
    is_exact = ages == frame["age_high"]  # exact ages are counted by decade, ranges by range
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
