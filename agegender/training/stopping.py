"""Stops a job of a search at the end of an epoch, on all ranks together."""

import logging

import lightning as L
from lightning.pytorch.callbacks import Callback

from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)


class StopFile(Callback):
    """Ends the training after the epoch in which ``stop.txt`` appears in the run directory.

    Rank 0 looks for the file and tells the other ranks, so that all stop at the same epoch. A file from before the training
    is removed. In the last epoch the file has no effect, because the training is complete.

    Attributes:
        stopped: Whether the training was ended.
    """

    def __init__(self) -> None:
        self.stopped = False

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Removes the file of an earlier session."""
        if trainer.is_global_zero:
            RunDirectory(trainer.default_root_dir).stop.unlink(missing_ok=True)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Looks for the file. The epoch is saved afterwards, so the run can be resumed."""
        last = trainer.max_epochs is not None and trainer.current_epoch + 1 >= trainer.max_epochs
        found = trainer.is_global_zero and RunDirectory(trainer.default_root_dir).stop.is_file()
        if trainer.strategy.broadcast(found) and not last:
            self.stopped = trainer.should_stop = True
            log.info("stopped after epoch %d by the search", trainer.current_epoch + 1)


def is_stopped(trainer: L.Trainer) -> bool:
    """Whether the training of a Trainer was ended by the file; its model need not be measured."""
    return any(callback.stopped for callback in trainer.callbacks if isinstance(callback, StopFile))  # type: ignore[attr-defined]
