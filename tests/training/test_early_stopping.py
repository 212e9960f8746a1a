"""Early stopping in a real training: it stops as Lightning's does, and names a monitor that was not measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.train import train


def test_a_monitor_that_was_not_measured_is_a_one_line_error(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError) as caught:
        train(configure("callbacks.early_stopping.monitor=val/age_meanerror"), RunDirectory(tmp_path))
    message = str(caught.value)
    assert message.startswith("callbacks.early_stopping.monitor=val/age_meanerror: not measured in this run. Measured: ")
    assert "val/age_mae" in message and "\n" not in message


def test_a_training_without_improvement_stops(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    settings = ("callbacks.early_stopping.patience=1", "+callbacks.early_stopping.min_delta=1000", "trainer.max_epochs=5")
    train(configure(*settings), run)
    assert len(run.read_history()) == 2  # the first epoch improves on nothing, the second by less than 1000 years
