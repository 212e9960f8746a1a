"""Two checkpoints: the last finished epoch, to resume from, and the epoch with the best monitor, to test."""

import math
import os
import shutil
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.whole_files import partial


class EpochCheckpoint(Checkpoint):
    """Saves ``checkpoints/last.ckpt`` at the end of every epoch and ``checkpoints/best.ckpt`` when the monitor improves.

    Lightning's ModelCheckpoint writes no last checkpoint in an epoch without improvement. It saves absolute paths, so a
    run loses its best score when its directory is moved.

    Args:
        monitor: Metric to minimise, for example ``val/age_distance``. NaN never counts as an improvement.
    """

    writes = ("last", "best")

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.best_score = math.inf
        self.best_epoch = -1

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Saves the epoch. Lightning calls this after the module has logged its metrics and after early stopping."""
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(name for name in trainer.callback_metrics if name.startswith("val/")))
            raise AgeGenderError(f"monitor={self.monitor}: not measured in this run. Measured: {known or 'nothing'}")
        score = float(trainer.callback_metrics[self.monitor])
        improved = score < self.best_score
        if improved:
            self.best_score, self.best_epoch = score, trainer.current_epoch
        run = RunDirectory(trainer.default_root_dir)
        # Lightning writes to the folder for temporary files first, which may be on another file system. A rename inside
        # one folder is atomic.
        with partial(run.last) as last, partial(run.best) as best:
            trainer.save_checkpoint(last)
            if trainer.is_global_zero:
                if improved or self.best_epoch < 0:
                    shutil.copyfile(last, best)
                    os.replace(best, run.best)
                os.replace(last, run.last)
            trainer.strategy.barrier()

    @property
    def best(self) -> float | None:
        """The smallest value of the monitor so far; None before it was measured."""
        return self.best_score if self.best_epoch >= 0 else None

    def state_dict(self) -> dict[str, Any]:
        """The best value of the monitor so far and its epoch."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continues from a saved value."""
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]


def epoch_checkpoint(trainer: L.Trainer) -> EpochCheckpoint:
    """The callback that saves the epochs of a Trainer.

    Raises:
        AgeGenderError: There is none.
    """
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, EpochCheckpoint):
            return callback
    raise AgeGenderError(f"callbacks: one of them must be {EpochCheckpoint.__module__}.{EpochCheckpoint.__name__}")
