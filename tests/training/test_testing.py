"""The test at the end of a training: the best checkpoint, both held-out splits, and the metrics of its own epoch."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agegender.data.assemble import assemble
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.checkpoints import EpochCheckpoint
from agegender.training.history import History
from agegender.training.testing import measure_best

Configure = Callable[..., dict[str, Any]]


def stopped_at(best_epoch: int, rows: list[dict[str, float]], rank: int = 0) -> Any:
    """What a Trainer knows after its training."""
    history, checkpoint = History(), EpochCheckpoint("val/age_mae")
    history.rows, checkpoint.best_epoch = rows, best_epoch
    return SimpleNamespace(is_global_zero=rank == 0, loggers=[], checkpoint_callbacks=[history, checkpoint])


@pytest.fixture
def untested(configure: Configure, tmp_path: Path) -> tuple[dict[str, Any], RunDirectory]:
    config, run = configure("trainer.max_epochs=1", "test=false", "logger=none"), RunDirectory(tmp_path / "run")
    train(config, run)
    run.metrics.unlink()  # of the validation split
    run.predictions.unlink()
    return {**config, "test": True}, run


def test_training_metrics_are_those_of_the_tested_epoch(untested: tuple[dict[str, Any], RunDirectory]) -> None:
    config, run = untested
    data = assemble(config)
    data.setup()
    rows = [
        {
            "epoch": epoch,
            "lr": 0.1,
            "train/age_mae": 20.0 - epoch,
            "train/gender_accuracy": 0.5 + epoch / 10,
            "val/age_mae": 1.0,
        }
        for epoch in range(3)
    ]
    measure_best(config, run, data, stopped_at(1, rows))
    metrics = run.read_metrics()
    assert metrics["train"] == {"n": len(data.rows("train")), "epoch": 2, "age_mae": 19.0, "gender_accuracy": 0.6}
    assert (metrics["seed"], metrics["age_range"]) == (config["seed"], config["age_range"])
    assert (metrics["val"]["n"], metrics["test"]["n"]) == (len(data.rows("val")), len(data.rows("test")))


def test_other_ranks_predict_and_write_nothing(untested: tuple[dict[str, Any], RunDirectory]) -> None:
    config, run = untested
    data = assemble(config)
    data.setup()
    measure_best(config, run, data, stopped_at(0, [], rank=1))
    assert not run.metrics.exists() and not run.predictions.exists()


def test_without_a_test_split_the_validation_split_is_the_tested_one(configure: Configure, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    train(configure("split.fractions=[0.8,0.2,0]", "trainer.max_epochs=1"), run)
    metrics = run.read_metrics()
    assert metrics["tested"] == "val" and "test" not in metrics
    assert "there is no test split" in run.log.read_text()
