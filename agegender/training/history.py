"""One row of metrics an epoch: in the log, in history.csv, and as curves."""

import logging
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from agegender.escaping import in_plot
from agegender.metrics.metric import Metric
from agegender.metrics.registry import BY_KEY, shown
from agegender.runs.run_directory import RunDirectory
from agegender.whole_files import whole

log = logging.getLogger(__name__)

Row = dict[str, float]
SPEED = "speed/images_per_second"  # of the callback Throughput
CURVES = (BY_KEY["loss"], *shown("headline"))


class History(Checkpoint):
    """Keeps the metrics of every epoch, of all sessions of a resumed run, and writes ``history.csv`` and ``curves.png``.

    It is a Checkpoint because Lightning calls these callbacks last, after the module has logged the training metrics of the
    epoch. List it before the callback that saves, so that a checkpoint holds the row of its own epoch.
    """

    writes = ("history", "curves")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._began = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock."""
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Adds the row of the epoch. Its seconds include the validation."""
        metrics = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(("train/", "val/", "speed/"))}
        metrics.pop("train/step_loss", None)
        seconds = time.perf_counter() - self._began
        rate = trainer.optimizers[0].param_groups[-1]["lr"]  # of the head, which is the last group and always trains
        epoch = trainer.current_epoch
        self.rows.append({"epoch": epoch, "steps": trainer.global_step, "seconds": seconds, "lr": rate, **metrics})
        if trainer.is_global_zero:
            RunDirectory(trainer.default_root_dir).write_history(self.rows)
            speed = f"{metrics[SPEED]:,.0f} images/s  " if SPEED in metrics else ""
            log.info("epoch %d/%s  %.0f s  %s%s", epoch + 1, trainer.max_epochs, seconds, speed, in_words(metrics))

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


def in_words(metrics: Row) -> str:
    """The metrics that have curves, as ``train loss 2.10 MAE (years) 5.31 ...  |  val loss ...  |  val/utkface ...``."""
    lines = []
    for split in _splits([metrics]):
        values = {metric: metrics.get(f"{split}/{metric.key}") for metric in _measured([metrics])}
        words = [f"{metric.label} {value:.3f}" for metric, value in values.items() if value is not None]
        lines += [" ".join([split, *words])] if words else []
    return "  |  ".join(lines)


def _splits(rows: list[Row]) -> list[str]:
    """``train``, ``val`` and, if there are several data sets, ``val/NAME`` for each."""
    return sorted({name.rpartition("/")[0] for row in rows for name in row if "/" in name})


def _measured(rows: list[Row]) -> list[Metric]:
    """The metrics with curves that were measured, without one that repeats another in every epoch."""
    measured = [metric for metric in CURVES if any(f"val/{metric.key}" in row for row in rows)]
    return [
        metric
        for metric in measured
        if metric.repeats is None or any(row.get(f"val/{metric.key}") != row.get(f"val/{metric.repeats}") for row in rows)
    ]


def draw_curves(rows: list[Row], path: Path) -> None:
    """Draws a panel for each measured metric over the epochs, with a curve for each split."""
    from matplotlib.figure import Figure

    measured = _measured(rows)
    figure = Figure(figsize=(5 * max(len(measured), 1), 4), layout="constrained")
    for axes, metric in zip(figure.subplots(1, max(len(measured), 1), squeeze=False)[0], measured, strict=False):
        for split in _splits(rows):
            points = [(row["epoch"] + 1, row[name]) for row in rows if (name := f"{split}/{metric.key}") in row]
            if points:
                axes.plot(*zip(*points, strict=True), "--" if split == "train" else "-", marker=".", label=in_plot(split))
        axes.set(xlabel="epoch", ylabel=metric.label)
        axes.legend()
    with whole(path) as file:
        figure.savefig(file, dpi=120)
