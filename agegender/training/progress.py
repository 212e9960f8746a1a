"""Progress of a run in its log: what it trains and writes, and every few minutes how far it is."""

import logging
import math
import os
import time
from datetime import timedelta
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import nn

from agegender.configuration.settings import OrInfinite
from agegender.data.datamodule import FaceDataModule
from agegender.runs.run_directory import RunDirectory
from agegender.training.setting_checks import require

log = logging.getLogger(__name__)

# Attributes of RunDirectory: files of every run. A callback or logger that writes others lists them in ``writes``.
FILES = (
    "config", "versions", "split", "seen", "log", "metrics", "groups", "calibration", "predictions", "suspicious",
    "predictions_picture",
    "faces_picture",
)  # fmt: skip


class Progress(Callback):
    """Logs a line when training starts, and a progress line every few minutes if there is no progress bar.

    The first line has the number of parameters, the steps per epoch, the image cache and the files that the run writes.
    A progress line has the epoch, the step, the images per second in training steps since the previous line, and the
    time left until the last epoch ends. The time left is estimated from the mean time of a step in this session,
    validation included.

    Args:
        interval: Seconds between two progress lines; ``.inf`` for none.

    Raises:
        AgeGenderError: The interval is negative.
    """

    def __init__(self, interval: OrInfinite = 120.0) -> None:
        require(interval >= 0, "callbacks.progress.interval", interval, "at least 0")
        self.interval = interval
        self._due = math.inf
        self._began = self._since = self._paused = 0.0
        self._first_step = self._images = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Logs the first line and starts the clock, on rank 0 only."""
        if not trainer.is_global_zero:
            return
        log.info(_first_line(trainer, pl_module))
        if trainer.progress_bar_callback is None:
            self._began, self._first_step = time.monotonic(), trainer.global_step
            self._start_interval(self._began)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts the images, and logs a progress line when one is due."""
        self._images += len(batch["index"])
        if (now := time.monotonic()) >= self._due:
            log.info(self._progress_line(trainer, now))
            self._start_interval(now)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stops the clock of images per second."""
        self._paused = time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock of images per second again."""
        self._since += time.monotonic() - self._paused

    def _start_interval(self, now: float) -> None:
        self._since, self._images, self._due = now, 0, now + self.interval

    def _progress_line(self, trainer: L.Trainer, now: float) -> str:
        epoch, step, steps = trainer.current_epoch + 1, trainer.global_step, trainer.estimated_stepping_batches
        speed = f"{self._images * trainer.world_size / max(now - self._since, 1e-9):,.1f} images/s"
        if math.isinf(steps):
            return f"epoch {epoch}  step {step}  {speed}"
        line = f"epoch {epoch}/{trainer.max_epochs}  step {step}/{steps}  {speed}"
        if (done := step - self._first_step) == 0:  # gradients are accumulated for the first step
            return line
        return f"{line}  time left {timedelta(seconds=round((now - self._began) / done * (steps - step)))}"


def _first_line(trainer: L.Trainer, module: L.LightningModule) -> str:
    data: FaceDataModule = trainer.datamodule  # type: ignore[attr-defined]
    network: nn.Module = module.network  # type: ignore[assignment]
    total, trainable = (sum(p.numel() for p in network.parameters() if p.requires_grad or every) for every in (True, False))
    steps = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
    images = data.batch_size * trainer.world_size * trainer.accumulate_grad_batches
    cache = data.image_cache
    run = RunDirectory(trainer.default_root_dir)
    return "; ".join([
        f"training {trainable:,} of {total:,} parameters",
        f"{steps} steps per epoch, {images} images per step",
        f"image cache {cache} ({cache.stat().st_size / 1e9:.3g} GB)" if cache else "no image cache (loader.cache=none)",
        f"writes {', '.join(_files(trainer, run))}",
    ])  # fmt: skip


def _files(trainer: L.Trainer, run: RunDirectory) -> list[str]:
    """Files and folders, relative to the run directory."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    others = [name for writer in (*callbacks, *trainer.loggers) for name in getattr(writer, "writes", ())]
    files = [os.path.relpath(getattr(run, name), run.path) for name in (*FILES, *others)]
    places = [*(logger.log_dir for logger in trainer.loggers), trainer.profiler.dirpath]  # type: ignore[attr-defined]
    folders = dict.fromkeys(os.path.relpath(place, run.path) for place in places if place)
    return [*files, *(os.path.join(folder, "") for folder in folders if folder != os.curdir)]
