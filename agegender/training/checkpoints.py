"""Two checkpoints: the last finished epoch, to resume from, and the best one, to test."""

import math
import os
import shutil
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import BEST, LAST


class EpochCheckpoint(Checkpoint):
    """Saves ``checkpoints/last.ckpt`` at the end of every epoch and ``checkpoints/best.ckpt`` when the monitor improves.

    Lightning's ModelCheckpoint writes no last checkpoint in an epoch that did not improve, and remembers absolute paths,
    so that a moved run forgets what was best. This one holds two file names and one score.

    Args:
        monitor: Figure to minimise, such as ``val/age_distance``; a value that is not a number never improves.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.best_score = math.inf
        self.best_epoch = -1

    def folder(self, trainer: L.Trainer) -> Path:
        """Where the checkpoints lie."""
        return Path(trainer.default_root_dir) / "checkpoints"

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Saves the epoch. Lightning calls this after the module has logged its figures and after early stopping."""
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(name for name in trainer.callback_metrics if name.startswith("val/")))
            raise AgeGenderError(f"monitor={self.monitor}: not measured in this run. Measured: {known or 'nothing'}")
        score = float(trainer.callback_metrics[self.monitor])
        improved = score < self.best_score
        if improved:
            self.best_score, self.best_epoch = score, trainer.current_epoch
        folder = self.folder(trainer)
        # Lightning writes by way of the folder for temporary files, which may be another file system: only a rename in
        # place is all or nothing.
        partial = folder / f"{LAST}.partial"
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            if improved or self.best_epoch < 0:
                shutil.copyfile(partial, folder / f"{BEST}.partial")
                os.replace(folder / f"{BEST}.partial", folder / BEST)
            os.replace(partial, folder / LAST)
        trainer.strategy.barrier()

    def state_dict(self) -> dict[str, Any]:
        """The best score so far and its epoch."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continues from a saved score."""
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]
