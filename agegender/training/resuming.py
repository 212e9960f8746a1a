"""What a resumed run continues from: its last checkpoint."""

from pathlib import Path

import lightning as L

from agegender.models.checkpoint import read_checkpoint


def is_finished(checkpoint: Path, max_epochs: int | None) -> bool:
    """Whether training has ended: all epochs are done, or early stopping ended it.

    Args:
        checkpoint: The last one of the run.
        max_epochs: Of the resumed run, which may be longer than before.
    """
    content = read_checkpoint(checkpoint)
    stopped = any("stopped_epoch" in s and s["stopped_epoch"] > 0 for s in content["callbacks"].values())
    return stopped or (max_epochs is not None and content["epoch"] + 1 >= max_epochs)


def restore_callbacks(trainer: L.Trainer, checkpoint: Path) -> None:
    """Gives the callbacks their saved state without training, which would restore it otherwise."""
    states = read_checkpoint(checkpoint)["callbacks"]
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if state := states.get(callback.state_key):
            callback.load_state_dict(state)
