"""Recording a test: metrics, predictions, pictures, a table in the log, and loggers."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from agegender.data.datamodule import FaceDataModule
from agegender.evaluation.analysis import analyse
from agegender.evaluation.explained_faces import ExplainedFaces
from agegender.evaluation.label_noise import suspicious_faces
from agegender.evaluation.logged_test import LoggedTest, LogsTest
from agegender.evaluation.options import Options
from agegender.evaluation.plots import draw_suspicious, draw_test
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import report_sections
from agegender.evaluation.results import baseline, split_metrics
from agegender.evaluation.results_table import results_table
from agegender.metrics.earlier_schemas import SCHEMA
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)


def record_test(
    run: RunDirectory,
    data: FaceDataModule,
    predictions: Mapping[str, pd.DataFrame],
    age_classes: Sequence[int],
    seed: int,
    more: Mapping[str, Any] | None = None,
    loggers: Iterable[Any] = (),
    options: Options | None = None,
    selected: bool = False,
    explain: Callable[[pd.DataFrame], ExplainedFaces | None] | None = None,
    gallery: bool = False,
) -> dict[str, Any]:
    """Measures a test, and writes, logs and draws everything about it.

    Args:
        run: The run, or the folder of an evaluation.
        data: Set up, with the faces and their splits.
        predictions: For each measured split the rows of the face table with ``age_pred`` and ``probability_female``. The
            last one is the tested split.
        age_classes: First year of each age class of the head; empty for a head without classes.
        seed: Of the bootstrap.
        more: Further content of ``metrics.json``.
        loggers: Those of the Trainer, if it has trained.
        options: Choices about the measures; None for the defaults.
        selected: The model was trained or selected on the tested split, so nothing is calibrated on it.
        explain: Computes Grad-CAM maps of some of the tested faces, for the loggers.
        gallery: Whether to draw the faces with suspicious labels.

    Returns:
        The content of ``metrics.json``.
    """
    table, tested = data.table, list(predictions)[-1]
    faces = predictions[tested]
    options = options or Options()
    found = analyse(faces, age_classes, seed, options, data.age_range, selected, tested)
    metrics: dict[str, Any] = {
        "schema": SCHEMA,
        "tested": tested,
        "split": {"name": data.split_name, "sha256": data.split_sha256, "content_sha256": data.content_sha256},
        "age_classes": list(age_classes),
        **{
            split: split_metrics(frame, seed, age_classes, options.resamples)
            for split, frame in predictions.items()
            if split != tested
        },
        tested: found.metrics,
        "baseline": baseline(table.frame[table.frame["split"] == "train"], faces),
        **(more or {}),
    }
    suspicious, metrics["label_noise"] = suspicious_faces(faces, age_classes)
    run.write_predictions(pd.concat(predictions.values()))
    run.write_groups(found.groups)
    run.write_calibration(found.calibration)
    run.write_suspicious(suspicious)
    draw_test(faces, metrics[tested], table.roots, run)
    if gallery and len(suspicious):
        draw_suspicious(faces, suspicious["path"], table.roots, run)
    run.write_metrics(metrics)
    log.info("\n%s", results_table(metrics))
    licenses = {source.name: source.license for source in data.sources.values()}
    if showing := [logger for logger in loggers if isinstance(logger, LogsTest)]:
        sections = report_sections(Evidence(run.path.name, metrics, faces, licenses))
        test = LoggedTest(metrics, faces, table.roots, sections, explain(faces) if explain else None)
        for logger in showing:
            logger.log_test(test)
    for name, text in licenses.items():
        log.info("%s: %s", name, text)
    if len(suspicious):
        log.info("%d faces with labels that the model contradicts: %s", len(suspicious), run.suspicious)
    log.info("all metrics: %s", run.metrics)
    return metrics
