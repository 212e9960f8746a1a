"""Two checkpoints: the last epoch and the best one."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agegender.errors import AgeGenderError
from agegender.training.checkpoints import EpochCheckpoint, epoch_checkpoint


def trained(folder: Path, scores: Sequence[float], callback: EpochCheckpoint) -> None:
    """Ends one epoch for each score; the checkpoint of an epoch holds its number."""
    folder.joinpath("checkpoints").mkdir(exist_ok=True)
    trainer: Any = SimpleNamespace(
        default_root_dir=str(folder), is_global_zero=True, strategy=SimpleNamespace(barrier=lambda: None), callback_metrics={}
    )
    trainer.save_checkpoint = lambda path: Path(path).write_text(str(trainer.current_epoch))
    for epoch, score in enumerate(scores):
        trainer.current_epoch, trainer.callback_metrics = epoch, {"val/age_mae": score}
        callback.on_train_epoch_end(trainer, SimpleNamespace())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scores", "best", "epoch"),
    [
        ([3.0, 2.0, 2.5], 2.0, 1),
        ([2.0, 2.0], 2.0, 0),  # the earlier of two equal ones
        ([float("nan"), 4.0, float("nan")], 4.0, 1),
        ([float("nan"), float("nan")], None, 1),  # nothing improved: the last one, so that there is something to test
    ],
)
def test_the_best_epoch_is_kept_beside_the_last(scores: list[float], best: float | None, epoch: int, tmp_path: Path) -> None:
    callback = EpochCheckpoint("val/age_mae")
    trained(tmp_path, scores, callback)
    assert callback.best == best
    files = {file.name: file.read_text() for file in (tmp_path / "checkpoints").iterdir()}
    assert files == {"last.ckpt": str(len(scores) - 1), "best.ckpt": str(epoch)}


def test_a_saved_state_continues(tmp_path: Path) -> None:
    first, second = EpochCheckpoint("val/age_mae"), EpochCheckpoint("val/age_mae")
    trained(tmp_path, [2.0], first)
    second.load_state_dict(first.state_dict())
    (tmp_path / "checkpoints" / "best.ckpt").write_text("of the first session")
    trained(tmp_path, [3.0], second)
    assert (second.best, second.best_epoch) == (2.0, 0)
    assert (tmp_path / "checkpoints" / "best.ckpt").read_text() == "of the first session"


def test_a_monitor_that_is_not_measured_is_named_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"monitor=val/age_rmse: not measured in this run\. Measured: val/age_mae"):
        trained(tmp_path, [1.0], EpochCheckpoint("val/age_rmse"))


def test_the_callback_of_a_trainer_is_found_among_others() -> None:
    callback = EpochCheckpoint("val/age_mae")
    trainer: Any = SimpleNamespace(checkpoint_callbacks=[object(), callback])
    assert epoch_checkpoint(trainer) is callback
    with pytest.raises(AgeGenderError, match="EpochCheckpoint"):
        epoch_checkpoint(SimpleNamespace(checkpoint_callbacks=[]))  # type: ignore[arg-type]
