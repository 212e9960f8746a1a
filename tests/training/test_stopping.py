"""A search stops a job at the end of an epoch by a file, on all ranks together."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agegender.configuration.resume import continued
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.driver import run_jobs
from agegender.sweeps.jobs import Job
from agegender.sweeps.local import LocalRunner
from agegender.sweeps.places import Places
from agegender.train import train

Configure = Callable[..., dict[str, Any]]


def stop_after(run: RunDirectory, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes the file as soon as the history has so many epochs."""
    write = RunDirectory.write_history

    def write_and_stop(self: RunDirectory, rows: Sequence[Mapping[str, float]]) -> None:
        write(self, rows)
        if len(rows) == epochs:
            run.write_stop("worse than others")

    monkeypatch.setattr(RunDirectory, "write_history", write_and_stop)


def test_the_next_epoch_is_the_last_and_is_saved_and_the_run_can_be_resumed(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path / "run")
    run.write_stop("of an earlier session")  # has no effect
    stop_after(run, 2, monkeypatch)
    train(configure("trainer.max_epochs=6"), run)
    assert [row["epoch"] for row in run.read_history()] == [0, 1, 2]
    assert read_checkpoint(run.last)["epoch"] == 2
    assert run.best.is_file() and not run.metrics.exists()
    assert "stopped after epoch 3 by the search" in run.log.read_text()

    monkeypatch.undo()
    train(continued(run.read_config(), [], run.path), run, resuming=True)
    assert len(run.read_history()) == 6 and run.metrics.is_file() and not run.stop.exists()


def test_in_the_last_epoch_the_file_has_no_effect(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path / "run")
    stop_after(run, 1, monkeypatch)
    train(configure("trainer.max_epochs=2"), run)
    assert len(run.read_history()) == 2 and run.metrics.is_file()


def test_a_job_of_two_ranks_is_pruned(configure: Configure, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "0")
    config = configure("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_epochs=500", "logger=none",
                       "callbacks.early_stopping.patience=500", "loader.num_workers=0", "test=false")  # fmt: skip
    job = Job([], config, run)
    status = run_jobs([job], LocalRunner(Places(1, [], 2)), on_epoch=lambda job: job.run.write_stop("worse than others"))
    assert status == 0 and (job.state, job.status) == ("pruned", 0), job.reason + run.output.read_text()
    epochs = len(run.read_history())
    assert 1 < epochs < 500 and read_checkpoint(run.last)["epoch"] == epochs - 1
    left = subprocess.run(["pgrep", "-f", str(run.job)], capture_output=True, text=True).stdout
    assert left == ""
