"""Out-of-fold predictions: each face as predicted by the one model of a cross-validation that was not trained on it."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from agegender.data.assemble import assemble
from agegender.errors import AgeGenderError
from agegender.evaluation.audit import match
from agegender.evaluation.options import Options
from agegender.evaluation.recording import record_test
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import write_report
from agegender.runs.finished_run import FOLDS
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)


def evaluate_out_of_fold(
    folder: Path, report: Literal["html", "none"] = "html", choices: Mapping[str, Any] | None = None, faces: bool = False
) -> dict[str, Any]:
    """Measures the out-of-fold predictions of a cross-validation on all its faces together.

    The results are written to ``evaluation/out-of-fold`` of the folder. Faces that no run tested are counted in
    ``metrics.json`` under ``out_of_fold`` and listed in ``unmatched.csv``.

    Args:
        folder: Holds one tested run of each fold, such as the directory of a sweep over ``split.number``.
        report: Whether to write ``report.html`` too.
        choices: Arguments of ``Options``; None for the defaults.
        faces: Whether to draw the faces with suspicious labels.

    Returns:
        The content of ``metrics.json``.

    Raises:
        AgeGenderError: A fold is missing or there twice, a run kept no predictions or was not tested, or the runs differ in
            more than the fold.
    """
    runs = _folds(folder)
    config = runs[0].read_config()
    everything = {**config, "split": {"_target_": "agegender.data.folds.OutOfFold"}}
    data = assemble({**everything, "loader": {**config["loader"], "cache": "none"}})
    data.prepare_data()
    data.setup()
    predictions = pd.concat([_tested(run) for run in runs], ignore_index=True)
    tested, unmatched = match(data, "test", predictions)
    out = RunDirectory(folder).evaluation("out-of-fold")
    out.write_split(data.split_csv)
    out.write_config(everything)
    out.write_unmatched(unmatched)
    record = {"folds": len(runs), "runs": [run.path.name for run in runs], "unmatched": len(unmatched)}
    if len(unmatched):
        log.info("%d faces or predictions are not matched; listed in %s", len(unmatched), out.unmatched)
    classes = runs[0].read_metrics()["age_classes"]
    options, more = Options(**(choices or {})), {"out_of_fold": record}
    metrics = record_test(out, data, {"test": tested}, classes, config["seed"], more, options=options, gallery=faces)
    if report == "html":
        licenses = {source.name: source.license for source in data.sources.values()}
        write_report(out, Evidence(folder.resolve().name, metrics, tested, licenses, everything, runs[0].read_model()))
    return metrics


def _folds(folder: Path) -> Sequence[RunDirectory]:
    """The runs of all folds, in order of their number."""
    found: dict[int, RunDirectory] = {}
    settings: dict[str, RunDirectory] = {}
    number_of_folds = 0
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        run = RunDirectory(path)
        if not run.config.is_file():
            continue
        config = run.read_config()
        split = config.get("split") or {}
        if split.get("_target_") != FOLDS:
            raise AgeGenderError(f"{path}: not a run with split=folds")
        number, number_of_folds = split["number"], split["count"]
        if number in found:
            raise AgeGenderError(
                f"{path} and {found[number].path} both test fold {number}: keep one run of each fold in the folder"
            )
        found[number] = run
        alike = {**config, "split": {key: value for key, value in split.items() if key != "number"}, "name": None}
        settings.setdefault(json.dumps(alike, sort_keys=True, default=str), run)
    if not found:
        raise AgeGenderError(f"folds={folder}: holds no run with split=folds")
    if len(settings) > 1:
        one, other = list(settings.values())[:2]
        raise AgeGenderError(
            f"{one.path} and {other.path} differ in more than the fold: their predictions do not belong together"
        )
    if missing := [str(number) for number in range(number_of_folds) if number not in found]:
        raise AgeGenderError(f"folds={folder}: no run of fold {', '.join(missing)} of {number_of_folds}")
    return [run for _, run in sorted(found.items())]


def _tested(run: RunDirectory) -> pd.DataFrame:
    """The tested faces of a run with their predictions, as ``match`` takes them."""
    faces = run.read_predictions()
    if faces is None or run.read_metrics()["tested"] != "test":
        raise AgeGenderError(f"{run.path}: was not tested, so it has no predictions of its fold: resume it with test=true")
    faces = faces[faces["split"] == "test"].reset_index(drop=True)
    return faces.assign(path=faces["dataset"] + "/" + faces["path"], line=range(1, len(faces) + 1))
