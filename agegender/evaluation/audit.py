"""Measures the estimates of any model, such as a vendor's: they come from a file instead of a checkpoint."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pandas as pd

from agegender.data.assemble import assemble
from agegender.data.datamodule import FaceDataModule
from agegender.data.named_faces import NamedFaces
from agegender.errors import AgeGenderError
from agegender.evaluation.options import Options
from agegender.evaluation.prediction_file import read_prediction_file
from agegender.evaluation.recording import record_test
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import write_report
from agegender.regular_files import open_bytes
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)

ESTIMATES = ["age_pred", "probability_female"]


def audit(
    config: Mapping[str, Any],
    file: Path,
    split: str,
    out: Path | None,
    report: Literal["html", "none"] = "html",
    show_faces: bool = False,
    choices: Mapping[str, Any] | None = None,
    faces: bool = False,
) -> dict[str, Any]:
    """Measures the estimates in a file on one split of some faces.

    Faces of the split without an estimate are left out of every metric. They, and the rows of the file that belong to no face
    of the split, are counted in ``metrics.json`` under ``audit`` and listed in ``unmatched.csv``.

    Args:
        config: With the faces, as ``configuration.evaluation.audited`` returns it.
        file: See ``read_prediction_file``.
        split: The split to measure.
        out: Folder of the results; None for a new one beside the file, named after the file, the data and the split.
        report: Whether to write ``report.html`` too.
        show_faces: Whether the report shows faces.
        choices: Arguments of ``Options``; None for the defaults.
        faces: Whether to draw the faces with suspicious labels.

    Returns:
        The content of ``metrics.json``.

    Raises:
        AgeGenderError: The file is not valid, two of its rows belong to one face or one row to several faces, no face of the
            split has an estimate, or the folder holds a trained run.
    """
    estimates = read_prediction_file(file)
    data = assemble(config)
    data.prepare_data()
    data.setup()
    tested, unmatched = match(data, split, estimates)
    name = f"{file.stem}-{'-'.join(data.sources)}-{split}-{data.content_sha256[:8]}"
    run = RunDirectory(file.parent / name if out is None else out)
    if run.best.exists() or run.last.exists():
        raise AgeGenderError(f"out={run.path}: holds a trained run; choose another folder")
    counts = unmatched["kind"].value_counts()
    with open_bytes(file) as opened:
        checksum = hashlib.sha256(opened.read()).hexdigest()
    record = {
        "file": file.name,
        "sha256": checksum,
        "rows": len(estimates),
        "missing": int(counts.get("missing", 0)),
        "extra": int(counts.get("extra", 0)),
        "gender_is_certain": bool(tested.get("probability_female", pd.Series([0.5])).isin([0, 1]).all()),
    }
    run.write_split(data.split_csv)
    run.write_config(config)
    run.write_unmatched(unmatched)
    log.info(
        "%d faces of the %s split have an estimate, %d have none; %d rows of %s belong to no face of the split%s",
        len(tested), split, record["missing"], record["extra"], file.name,
        f" (listed in {run.unmatched})" if len(unmatched) else "",
    )  # fmt: skip
    options = Options(**(choices or {}))
    more = {"audit": record}
    metrics = record_test(run, data, {split: tested}, (), config["seed"], more, options=options, gallery=show_faces)
    if report == "html":
        licenses = {source.name: source.license for source in data.sources.values()}
        write_report(run, Evidence(file.name, metrics, tested, licenses, roots=data.table.roots if show_faces else None))
    return metrics


def match(data: FaceDataModule, split: str, estimates: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Finds the estimate of each face of a split.

    Args:
        data: Set up.
        split: The split.
        estimates: ``path``, ``line``, some of ``ESTIMATES`` and any other columns. A row is no estimate if one of
            ``ESTIMATES`` is empty. Columns of the face table are ignored.

    Returns:
        The faces of the split that have an estimate, with its other columns; and what was not matched, one row each: ``kind``
        (``missing`` for a face, ``extra`` for a row of the file), ``path`` and ``reason``.

    Raises:
        AgeGenderError: Two rows belong to one face, one row to several, or no face has an estimate.
    """
    named, splits = NamedFaces(data.table), data.table.frame["split"].tolist()
    names = data.table.names()
    columns = [name for name in estimates if name not in ("path", "line", *data.table.frame)]
    skipped = {PurePosixPath(one.path).name: one.reason for one in data.table.skipped}
    tested = data.rows(split)
    if not len(tested):
        raise AgeGenderError(f"part={split}: the split {data.split_name!r} has no such faces")
    lines = estimates["line"].tolist()
    is_empty = estimates[[name for name in ESTIMATES if name in estimates]].isna().any(axis=1).tolist()
    row_of: dict[int, int] = {}
    extra = []
    for number, path in enumerate(estimates["path"]):
        rows = named.rows(path)
        if len(rows) > 1:
            raise AgeGenderError(
                f"predictions: row {lines[number]}, {path}, belongs to both {names[rows[0]]} and {names[rows[1]]}; add folders "
                "to the path"
            )
        if not rows:
            extra.append((path, lines[number], skipped.get(PurePosixPath(path).name, "not in the data")))
        elif rows[0] in row_of:
            both = f"rows {lines[row_of[rows[0]]]} and {lines[number]}"
            raise AgeGenderError(f"predictions: {both} both belong to {names[rows[0]]}; keep one of them")
        else:
            row_of[rows[0]] = number
            if splits[rows[0]] != split:
                extra.append((path, lines[number], f"in the {splits[rows[0]]} split"))
    empty = {row for row, number in row_of.items() if is_empty[number]}
    found = [row for row in tested if row in row_of and row not in empty]
    if not found:
        raise AgeGenderError(f"predictions: none of the {len(tested)} faces of the {split} split has an estimate")
    missing = [
        ("missing", names[row], "its row has an empty cell" if row in empty else "no row in the file")
        for row in tested
        if row in empty or row not in row_of
    ]
    missing += [("extra", path, f"row {line}: {reason}") for path, line, reason in extra]
    faces = data.table.frame.iloc[found].reset_index(drop=True)
    values = estimates[columns].iloc[[row_of[row] for row in found]].reset_index(drop=True)
    return pd.concat([faces, values], axis=1), pd.DataFrame(missing, columns=["kind", "path", "reason"])
