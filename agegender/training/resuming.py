"""What a resumed run continues from: its last checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L

from agegender.errors import AgeGenderError
from agegender.models.checkpoint import read_checkpoint
from agegender.processes import ranks
from agegender.runs.run_directory import RunDirectory


def checkpoint_of(run: RunDirectory) -> Path | None:
    """The checkpoint that a resumed run continues from; None if its first epoch was not finished.

    Raises:
        AgeGenderError: Epochs were finished but a checkpoint is missing. Training from the start would overwrite the run.
    """
    if run.last.exists() and run.best.exists():
        return run.last
    if run.last.exists() or run.best.exists() or run.metrics.exists() or run.history.exists():
        missing = run.best if run.last.exists() else run.last
        raise AgeGenderError(
            f"{missing} is missing, so the run cannot be resumed. Restore the file, or train again into another run directory"
        )
    return None


def require_same_batch(saved: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuses to continue with another number of faces in a step, as with another number of processes.

    Steps per epoch would change, so the schedule would jump, and the learning rate would not fit.

    Args:
        saved: Configuration of the earlier session.
        config: Configuration of this session.

    Raises:
        AgeGenderError: The numbers differ. It says which settings keep the number.
    """
    before, now = faces_per_step(saved), faces_per_step(config)
    if before in (None, now):
        return
    batch, trainer = config["loader"]["batch_size"], config["trainer"]
    accumulated = trainer.get("accumulate_grad_batches") or 1
    processes = (now or 1) // (batch * accumulated)
    keep = f"loader.batch_size={before // (processes * accumulated)}" if before % (processes * accumulated) == 0 else (
        f"a number of processes times loader.batch_size times trainer.accumulate_grad_batches that is {before}"
    )  # fmt: skip
    raise AgeGenderError(
        f"the run was trained with {before} faces a step, and would continue with {now} "
        f"({processes} process{'' if processes == 1 else 'es'} x "
        f"loader.batch_size={batch} x trainer.accumulate_grad_batches={accumulated}). Keep {before} with {keep}"
    )


def faces_per_step(config: Mapping[str, Any]) -> int | None:
    """Faces that all ranks see before the weights are updated; None where the configuration does not number the devices."""
    trainer = config["trainer"]
    if str(trainer.get("devices", "auto")) in ranks.EVERY:
        return None
    each = config["loader"]["batch_size"] * (trainer.get("accumulate_grad_batches") or 1)
    return int(each * ranks.process_count(trainer) * (trainer.get("num_nodes") or 1))


def advice(run: RunDirectory) -> str:
    """Which epoch of an interrupted run is saved, and how to continue."""
    if not run.last.exists():
        return "No epoch was finished, so nothing is saved"
    epoch = read_checkpoint(run.last)["epoch"] + 1
    return f"Epoch {epoch} is saved; continue with: python -m agegender.train resume={run.path}"


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
    """Restores the saved state of the callbacks. Lightning does this in ``fit``; here no training follows."""
    states = read_checkpoint(checkpoint)["callbacks"]
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if state := states.get(callback.state_key):
            callback.load_state_dict(state)
