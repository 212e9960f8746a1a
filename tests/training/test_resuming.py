"""When a run is finished, and what its callbacks remember."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping

from agegender.training.checkpoints import EpochCheckpoint
from agegender.training.resuming import is_finished, restore_callbacks


def saved(folder: Path, epoch: int, callbacks: dict[str, Any]) -> Path:
    torch.save({"epoch": epoch, "callbacks": callbacks}, folder / "last.ckpt")
    return folder / "last.ckpt"


@pytest.mark.parametrize(
    ("epoch", "stopped_epoch", "max_epochs", "finished"),
    [(2, 0, 3, True), (2, 0, 4, False), (2, 2, 4, True), (2, 0, None, False), (0, 0, 1, True)],
)
def test_a_run_is_finished_after_its_last_epoch_or_when_stopped_early(
    epoch: int, stopped_epoch: int, max_epochs: int | None, finished: bool, tmp_path: Path
) -> None:
    checkpoint = saved(tmp_path, epoch, {"stopping": {"stopped_epoch": stopped_epoch}, "other": {}})
    assert is_finished(checkpoint, max_epochs) == finished


def test_callbacks_get_their_own_state(tmp_path: Path) -> None:
    before, stopping, untouched = EpochCheckpoint("val/loss"), EarlyStopping("val/loss"), EpochCheckpoint("val/loss")
    before.best_score, before.best_epoch = 1.5, 3
    checkpoint = saved(tmp_path, 3, {before.state_key: before.state_dict()})
    after: Any = SimpleNamespace(callbacks=[EpochCheckpoint("val/loss"), stopping])
    restore_callbacks(after, checkpoint)
    assert (after.callbacks[0].best, after.callbacks[0].best_epoch) == (1.5, 3)
    assert stopping.state_dict() == EarlyStopping("val/loss").state_dict()
    assert untouched.best is None
