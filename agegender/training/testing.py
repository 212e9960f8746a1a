"""The end of a training: its best model is measured on the validation and test splits."""

import logging
import shlex
from collections.abc import Mapping
from typing import Any

import lightning as L
import pandas as pd

from agegender.data.crop_report import image_counts
from agegender.data.datamodule import FaceDataModule
from agegender.evaluation.explained_faces import ExplainedFaces, explain_faces
from agegender.evaluation.recording import record_test
from agegender.metrics.registry import BY_KEY
from agegender.runs.run_directory import RunDirectory
from agegender.training.checkpoints import epoch_checkpoint
from agegender.training.history import History
from agegender.training.module import AgeGenderModule
from agegender.training.prediction import predict_held_out

log = logging.getLogger(__name__)


def measure_best(
    config: Mapping[str, Any],
    run: RunDirectory,
    data: FaceDataModule,
    trainer: L.Trainer,
    excluded: Mapping[str, Any] | None = None,
) -> None:
    """Predicts the validation split and, with ``test=true``, the test split with the best checkpoint; records the metrics.

    Without test the validation split is the measured one, and the log says what that means.

    Args:
        config: The run's configuration.
        run: Where everything is written.
        data: Set up.
        trainer: The one that has trained.
        excluded: Numbers of test faces that were left out, because an earlier model has learned from them; None without one.
    """
    log.info("measuring %s in full precision", run.best.name)
    model = AgeGenderModule.load_from_checkpoint(run.best)
    predictions = predict_held_out(model, data, config["trainer"], config["test"], config.get("views", "one"))
    if not trainer.is_global_zero:
        return
    more = {
        "train": {"n": len(data.rows("train")), **_training_metrics(trainer)},
        "seed": config["seed"],
        "age_range": config["age_range"],
        "images": image_counts(list(predictions.values())[-1], data.crops),
        "views": config.get("views", "one"),
        **({} if excluded is None else {"excluded": excluded}),
    }

    def explain(faces: pd.DataFrame) -> ExplainedFaces | None:
        return explain_faces(model.network, faces, data.table.roots, data.crops)

    is_tested = "test" in predictions
    record_test(run, data, predictions, model.network.age_classes, config["seed"], more, trainer.loggers,
                selected=not is_tested, explain=explain)  # fmt: skip
    command = f"python -m agegender.evaluate checkpoint={shlex.quote(str(run.path))}{'' if is_tested else ' part=val'}"
    log.info("report with plots, groups and a model card:  %s", command)
    if not is_tested:
        why = "there is no test split" if config["test"] else "the test split was left alone (test=false)"
        log.info("%s: the model was selected on the faces measured here, so the metrics are optimistic", why)


def _training_metrics(trainer: L.Trainer) -> dict[str, Any]:
    """Metrics of the epoch that is tested, measured in training mode on augmented images."""
    best = epoch_checkpoint(trainer).best_epoch
    rows = next((c.rows for c in trainer.checkpoint_callbacks if isinstance(c, History)), [])
    row = next((row for row in rows if row["epoch"] == best), {})
    return {"epoch": best + 1, **{key: row[f"train/{key}"] for key in BY_KEY if f"train/{key}" in row}}
