"""One row of figures an epoch: in the log, in history.csv, and as curves."""

import logging
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from agegender.comparison.wording import CURVES
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)


class History(Checkpoint):
    """Keeps the figures of every epoch, across resumed sessions, and writes ``history.csv`` and ``curves.png``.

    It is a Checkpoint for its place in line only: those callbacks alone run after the module has logged an epoch's
    training figures. List it before the one that saves, so that a checkpoint holds its own epoch's row.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._began = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock."""
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Adds the epoch's row, validation time included."""
        figures = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(("train/", "val/"))}
        figures.pop("train/step_loss", None)
        seconds = time.perf_counter() - self._began
        rate = trainer.optimizers[0].param_groups[-1]["lr"]  # of the head, which comes last and always trains
        epoch = trainer.current_epoch
        self.rows.append({"epoch": epoch, "steps": trainer.global_step, "seconds": seconds, "lr": rate, **figures})
        if trainer.is_global_zero:
            RunDirectory(trainer.default_root_dir).write_history(self.rows)
            log.info("epoch %d/%s  %.0f s  %s", epoch + 1, trainer.max_epochs, seconds, in_words(figures))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draws the curves."""
        if trainer.is_global_zero and self.rows:
            draw_curves(self.rows, RunDirectory(trainer.default_root_dir).curves)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continues after saved rows."""
        self.rows = state_dict["rows"]


def in_words(figures: dict[str, float]) -> str:
    """The figures that curves show, as ``train loss 2.10 MAE (years) 5.31 ...  |  val loss ...  |  val/utkface ...``."""
    curves, parts = _curves([figures]), []
    for part in _parts([figures]):
        shown = [f"{label} {figures[f'{part}/{name}']:.3f}" for name, label in curves.items() if f"{part}/{name}" in figures]
        parts += [" ".join([part, *shown])] if shown else []
    return "  |  ".join(parts)


def _parts(rows: list[dict[str, float]]) -> list[str]:
    """``train``, ``val`` and, where there are several data sets, ``val/NAME`` for each."""
    found = {name.rpartition("/")[0] for row in rows for name in row if "/" in name}
    return sorted(found)


def _curves(rows: list[dict[str, float]]) -> dict[str, str]:
    """What was measured, without the distance from the label where it is the MAE, all ages being exact."""
    measured = {name: label for name, label in CURVES.items() if any(f"val/{name}" in row for row in rows)}
    if all(row.get("val/age_distance") == row.get("val/age_mae") for row in rows):
        measured.pop("age_distance", None)
    return measured


def draw_curves(rows: list[dict[str, float]], path: Path) -> None:
    """Draws loss, age and gender figures over the epochs, training and validation, as far as they were measured."""
    from matplotlib.figure import Figure

    measured = _curves(rows)
    figure = Figure(figsize=(5 * max(len(measured), 1), 4), layout="constrained")
    for axes, (name, label) in zip(figure.subplots(1, max(len(measured), 1), squeeze=False)[0], measured.items(), strict=False):
        for part in _parts(rows):
            points = [(row["epoch"] + 1, row[f"{part}/{name}"]) for row in rows if f"{part}/{name}" in row]
            axes.plot(*zip(*points, strict=True), "--" if part == "train" else "-", marker=".", label=part) if points else None
        axes.set(xlabel="epoch", ylabel=label)
        axes.legend()
    figure.savefig(path, dpi=120)
