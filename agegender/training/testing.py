"""The best model of a run on faces it has not learned from: each exactly once, whatever the number of processes."""

import logging
from collections.abc import Mapping
from typing import Any, Literal

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from agegender.data.datamodule import FaceDataModule
from agegender.evaluation.plots import draw_test
from agegender.evaluation.results import baseline, part_metrics, results_table
from agegender.runs.run_directory import RunDirectory
from agegender.training.checkpoints import EpochCheckpoint
from agegender.training.history import History
from agegender.training.loggers.wandb import Wandb
from agegender.training.module import AgeGenderModule

log = logging.getLogger(__name__)

HELD_OUT: tuple[Literal["val"], Literal["test"]] = ("val", "test")


class Collector(L.Callback):
    """Keeps the outputs of ``predict_step``."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, np.ndarray]] = []

    def on_predict_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any) -> None:
        """Keeps one batch, on the CPU; a process with fewer faces than others may get an empty one."""
        if not len(outputs["index"]):
            return
        self.outputs.append({name: value.float().cpu().numpy() if name != "index" else value.cpu().numpy()
                             for name, value in outputs.items()})  # fmt: skip

    def on_predict_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Exchanges what the processes hold; their shares may differ in size."""
        if trainer.world_size > 1:
            shares: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(shares, self.outputs)
            self.outputs = [batch for share in shares for batch in share]


def predict(model: AgeGenderModule, loader: DataLoader, table: pd.DataFrame, trainer: dict[str, Any]) -> pd.DataFrame:
    """Predicts in full precision, with a new Trainer that has none of the training's callbacks and settings.

    Args:
        model: Loaded from a checkpoint.
        loader: Batches whose ``index`` is the row of ``table``.
        table: Labels of the faces.
        trainer: Arguments of the Trainer that say where to run: ``accelerator``, ``devices``, ``strategy``, ``num_nodes``.

    Returns:
        The rows of ``table`` that the loader holds, in its order, with ``age_pred`` in years and ``probability_female``
        in 0..1 as far as the model has the task.
    """
    collector = Collector()
    where = {key: trainer[key] for key in ("accelerator", "devices", "strategy", "num_nodes") if trainer.get(key) is not None}
    fresh = L.Trainer(**where, precision="32-true", callbacks=[collector], logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False)  # fmt: skip
    fresh.predict(model, loader, return_predictions=False)
    columns = {name: np.concatenate([batch[name] for batch in collector.outputs]) for name in collector.outputs[0]}
    predicted = pd.DataFrame(columns).rename(columns={"age": "age_pred"}).set_index("index").sort_index()
    return pd.concat([table.iloc[predicted.index].reset_index(drop=True), predicted.reset_index(drop=True)], axis=1)


def test_best(config: Mapping[str, Any], run: RunDirectory, datamodule: FaceDataModule, trainer: L.Trainer) -> None:
    """Predicts the validation and test parts by the best checkpoint and writes what was measured.

    A split without a test part has its figures told of the validation part, by that name.

    Args:
        config: The run's configuration.
        run: Where the figures and predictions go.
        datamodule: Set up, with its split.
        trainer: That has trained.
    """
    log.info("testing %s in full precision", run.best.name)
    table, model = datamodule.table.frame, AgeGenderModule.load_from_checkpoint(run.best)
    parts = {
        part: predict(model, datamodule.loader(part), table, config["trainer"])
        for part in HELD_OUT
        if (table["split"] == part).any()
    }
    if not trainer.is_global_zero:
        return
    part = list(parts)[-1]
    train = table[table["split"] == "train"]
    metrics: dict[str, Any] = {
        "schema": 1,
        "split": {
            "name": datamodule.split_name,
            "sha256": datamodule.split_sha256,
            "part": part,
            "n": len(parts[part]),
        },
        **{name: part_metrics(frame, config["seed"], model.network.age_classes) for name, frame in parts.items()},
        "baseline": baseline(train, parts[part]),
        "train": {"n": len(train), **_training_figures(trainer)},
        "seed": config["seed"],
        "age_range": config["age_range"],
    }
    run.write_predictions(pd.concat(parts.values()))
    draw_test(parts[part], metrics[part], datamodule.table.roots, run)
    run.write_metrics(metrics)
    log.info("\n%s", results_table(metrics))
    if part != "test":
        log.info("the split has no test part: the model was selected on these very faces, so these figures flatter it")
    for logger in trainer.loggers:
        if isinstance(logger, Wandb):
            logger.log_test(metrics, parts[part], datamodule.table.roots)
    for source in datamodule.sources.values():
        log.info("%s: %s", source.name, source.license)
    log.info("all figures: %s", run.metrics)


def _training_figures(trainer: L.Trainer) -> dict[str, Any]:
    """Running figures of the epoch that was tested, measured in training mode on augmented images."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    best = next(c.best_epoch for c in callbacks if isinstance(c, EpochCheckpoint))
    rows = next((c.rows for c in callbacks if isinstance(c, History)), [])
    row = next((row for row in rows if row["epoch"] == best), {})
    named = {"age": ("age_mae", "age_rmse", "age_cs5", "age_class_accuracy"), "gender": ("gender_accuracy",)}
    figures: dict[str, Any] = {"epoch": best + 1}
    for task, names in named.items():
        known = {name.removeprefix(f"{task}_"): row[f"train/{name}"] for name in names if f"train/{name}" in row}
        figures |= {task: known} if known else {}
    return figures
