"""Progress in the log: the first line against the run's own files, progress lines against a clock set by hand."""

import json
import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training import progress
from agegender.training.progress import Progress


def lines(run: RunDirectory, start: str) -> list[str]:
    """Lines of the log that start so, without time and level."""
    messages = [line.split(" INFO ")[-1] for line in run.log.read_text().splitlines()]
    return [message for message in messages if message.startswith(start)]


@pytest.mark.parametrize(("logger", "profiler"), [("csv", "null"), ("none", "simple"), ("none", "null")])
def test_the_first_line_has_parameters_steps_cache_and_every_file_of_the_run(
    logger: str, profiler: str, configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    cache = tmp_path / "cache"
    train(
        configure(f"logger={logger}", f"trainer.profiler={profiler}", f"loader.cache_dir={cache}",
                  "trainer.accumulate_grad_batches=2", "finetune=frozen"), run,
    )  # fmt: skip
    (line,) = lines(run, "training ")
    model = json.loads(run.model.read_text())
    assert 0 < model["trainable"] < model["parameters"]
    assert line.startswith(f"training {model['trainable']:,} of {model['parameters']:,} parameters; ")
    steps = [int(row["steps"]) for row in run.read_history()]
    assert f"; {steps[0]} steps per epoch, 16 images per step; " in line and steps == [3, 6]
    (file,) = (cache / "images").glob("*.uint8")
    assert f"; image cache {file} ({60 * 16 * 16 * 3 / 1e9:.3g} GB); " in line

    named = line.partition("; writes ")[2].split(", ")
    folders = {Path(name) for name in named if name.endswith("/")}
    found = {path.relative_to(run.path) for path in run.path.rglob("*") if path.is_file()}
    assert {Path(name) for name in named} - folders == {path for path in found if not folders & set(path.parents)}
    assert all(any(folder in path.parents for path in found) for folder in folders)
    assert len(named) == len(set(named))
    expected = {("csv", "null"): {Path("csv/version_0")}, ("none", "simple"): {Path("profile")}, ("none", "null"): set()}
    assert folders == expected[logger, profiler]


def test_a_run_logs_epoch_step_speed_and_time_left(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    train(configure("callbacks.progress.interval=0", "test=false", "loader.cache=none"), run)
    (first,) = lines(run, "training ")
    assert "; no image cache (loader.cache=none); writes " in first
    found = [
        re.fullmatch(r"epoch (\d)/2  step (\d+)/12  ([\d,.]+) images/s  time left (\d:\d\d:\d\d)", line)
        for line in lines(run, "epoch ")
        if "time left" in line
    ]
    assert [match and (int(match[1]), int(match[2])) for match in found] == [(1 + (n > 6), n) for n in range(1, 13)]
    assert all(match and float(match[3].replace(",", "")) > 0 for match in found)
    assert found[-1] and found[-1][4] == "0:00:00"


class Clock:
    """Stands in for the module ``time``; a Trainer advances it."""

    now = 5000.0

    def monotonic(self) -> float:
        return self.now


class FakeRun:
    """Calls a callback as a Trainer of two ranks does, for epochs of 10 steps of 32 images and a validation."""

    def __init__(self, callback: Progress, clock: Clock, **trainer: Any) -> None:
        self.callback, self.clock = callback, clock
        self.trainer: Any = SimpleNamespace(
            is_global_zero=True, progress_bar_callback=None, world_size=2, current_epoch=0, max_epochs=4, global_step=0,
            estimated_stepping_batches=40, **trainer,
        )  # fmt: skip

    def epoch(self, seconds_a_step: float, seconds_of_validation: float) -> None:
        for batch in range(10):
            self.clock.now += seconds_a_step
            self.trainer.global_step += 1
            self.callback.on_train_batch_end(self.trainer, None, None, {"index": torch.arange(32)}, batch)  # type: ignore[arg-type]
        self.callback.on_validation_start(self.trainer, None)  # type: ignore[arg-type]
        self.clock.now += seconds_of_validation
        self.callback.on_validation_end(self.trainer, None)  # type: ignore[arg-type]
        self.trainer.current_epoch += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress, "_first_line", lambda trainer, module: "first line")
    return clock


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    monkeypatch.setattr(logging.getLogger("agegender"), "propagate", True)  # an earlier run may have turned it off
    caplog.set_level(logging.INFO, "agegender")
    return lambda: [record.getMessage() for record in caplog.records]


def test_lines_come_at_the_interval_and_validation_counts_for_the_time_left_only(
    clock: Clock, messages: Callable[[], list[str]]
) -> None:
    run = FakeRun(Progress(interval=60), clock)
    run.callback.on_train_start(run.trainer, None)  # type: ignore[arg-type]
    run.epoch(seconds_a_step=8, seconds_of_validation=50)
    run.epoch(seconds_a_step=16, seconds_of_validation=50)
    # Line at 64 s: 8 steps of 8 s. Next due at 124 s: step 10 ends at 80 s, validation at 130 s, step 11 at 146 s. Next due
    # at 206 s: step 15 ends at 210 s. Then 270 s: step 19 ends at 274 s.
    assert messages() == [
        "first line",
        "epoch 1/4  step 8/40  8.0 images/s  time left 0:04:16",  # 32 x 64 s / 8
        f"epoch 2/4  step 11/40  {3 * 64 / 32:.1f} images/s  time left 0:06:25",  # 29 x 146 s / 11
        "epoch 2/4  step 15/40  4.0 images/s  time left 0:05:50",  # 25 x 210 s / 15
        "epoch 2/4  step 19/40  4.0 images/s  time left 0:05:03",  # 21 x 274 s / 19
    ]


def test_the_time_left_of_a_resumed_run_follows_from_its_own_session(clock: Clock, messages: Callable[[], list[str]]) -> None:
    run = FakeRun(Progress(interval=100), clock)
    run.trainer.current_epoch, run.trainer.global_step = 2, 20
    run.callback.on_train_start(run.trainer, None)  # type: ignore[arg-type]
    run.epoch(seconds_a_step=10, seconds_of_validation=0)
    assert messages() == ["first line", "epoch 3/4  step 30/40  6.4 images/s  time left 0:01:40"]


def test_a_run_without_a_known_end_has_no_time_left(clock: Clock, messages: Callable[[], list[str]]) -> None:
    run = FakeRun(Progress(interval=100), clock)
    run.trainer.max_epochs, run.trainer.estimated_stepping_batches = -1, math.inf
    run.callback.on_train_start(run.trainer, None)  # type: ignore[arg-type]
    run.epoch(seconds_a_step=10, seconds_of_validation=0)
    assert messages() == ["first line", "epoch 1  step 10  6.4 images/s"]


@pytest.mark.parametrize(
    ("trainer", "expected"), [({"progress_bar_callback": object()}, ["first line"]), ({"is_global_zero": False}, [])]
)
def test_a_progress_bar_replaces_progress_lines_and_other_ranks_log_nothing(
    trainer: dict[str, Any], expected: list[str], clock: Clock, messages: Callable[[], list[str]]
) -> None:
    run = FakeRun(Progress(interval=0), clock)
    vars(run.trainer).update(trainer)
    run.callback.on_train_start(run.trainer, None)  # type: ignore[arg-type]
    run.epoch(seconds_a_step=10, seconds_of_validation=10)
    assert messages() == expected


def test_a_negative_interval_is_an_error_and_infinity_is_none(clock: Clock, messages: Callable[[], list[str]]) -> None:
    for wrong in (-1, math.nan):
        with pytest.raises(AgeGenderError, match=rf"^callbacks\.progress\.interval={wrong}: must be at least 0"):
            Progress(wrong)
    run = FakeRun(Progress(math.inf), clock)
    run.callback.on_train_start(run.trainer, None)  # type: ignore[arg-type]
    run.epoch(seconds_a_step=1e9, seconds_of_validation=0)
    assert messages() == ["first line"]
