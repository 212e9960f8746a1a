"""A resumed run: when it is finished, what it continues from, and that it equals a run without interruption."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping

from agegender.configuration.paths import CONF
from agegender.configuration.resume import continued
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.checkpoints import EpochCheckpoint
from agegender.training.resuming import faces_per_step, is_finished, restore_callbacks

Configure = Callable[..., dict[str, Any]]


def run(config: dict[str, Any], folder: Path, resuming: bool = False) -> RunDirectory:
    directory = RunDirectory(folder)
    validate(config)
    train(config, directory, resuming)
    return directory


def resume(directory: RunDirectory, *overrides: str) -> RunDirectory:
    return run(continued(directory.read_config(), overrides, directory.path), directory.path, resuming=True)


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


def assert_same_state(first: Any, second: Any, path: str = "") -> None:
    """Compares nested containers of tensors and numbers exactly, times excepted."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            if key != "seconds" and not str(key).startswith("speed/"):
                assert_same_state(first[key], second[key], f"{path}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), path
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same_state(one, other, f"{path}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), path
    else:
        assert first == second or first != first, f"{path}: {first} != {second}"


class Stopped(Exception):
    """An interruption between two epochs."""


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_a_resumed_run_equals_a_run_without_interruption(
    workers: int, schedule: str, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [
        f"loader.num_workers={workers}", "trainer.max_epochs=4", "callbacks=ema", "callbacks.ema.decay=0.8",
        f"schedule={schedule}", "trunk=dropout", "balance=uncertainty",
    ]  # fmt: skip
    if schedule == "plateau":
        overrides += ["schedule.patience=0", "schedule.threshold=10"]
    whole = run(configure(*overrides), tmp_path / "whole")

    save = EpochCheckpoint.on_train_epoch_end

    def stop_after_second_epoch(self: EpochCheckpoint, trainer: Any, module: Any) -> None:
        save(self, trainer, module)
        if trainer.current_epoch == 1:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(EpochCheckpoint, "on_train_epoch_end", stop_after_second_epoch)
        with pytest.raises(Stopped):
            run(configure(*overrides), tmp_path / "first")
    shutil.move(tmp_path / "first", tmp_path / "moved")  # a run directory may be moved
    halves = RunDirectory(tmp_path / "moved")
    assert read_checkpoint(halves.last)["epoch"] == 1
    resumed = resume(halves)

    one, other = read_checkpoint(whole.last), read_checkpoint(resumed.last)
    for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "global_step"):
        assert_same_state(one[key], other[key], key)
    assert_same_state(one["callbacks"], other["callbacks"], "callbacks")
    first, second = (json.loads(r.metrics.read_text()) for r in (whole, resumed))
    assert first == second


def command(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=environment,
    )


def test_a_killed_run_is_resumed_and_evaluated_on_the_command_line(faces: Path, tmp_path: Path) -> None:
    """The interrupted epoch is trained again; the later commands run in another directory."""
    # a relative root, and a run long enough to be killed between its second epoch and its end
    shutil.copytree(faces, tmp_path / "faces")
    overrides = ["data=utkface", "data.root=faces", "image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8",
                 "trainer.max_epochs=300", "callbacks.early_stopping.patience=1000", "hydra.run.dir=run"]  # fmt: skip
    process = command("agegender.train", *overrides, cwd=tmp_path)
    deadline = time.monotonic() + 300
    history = tmp_path / "run" / "history.csv"
    while not (history.exists() and len(history.read_text().splitlines()) > 2):
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = read_checkpoint(tmp_path / "run/checkpoints/last.ckpt")["epoch"] + 1
    assert done < 300

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    resume = command("agegender.train", "resume=../run", f"trainer.max_epochs={done + 2}", cwd=elsewhere)
    output, _ = resume.communicate(timeout=300)
    assert resume.returncode == 0, output
    assert f"epoch {done + 2}/{done + 2}" in output and "MAE" in output
    assert [p.name for p in elsewhere.iterdir()] == []
    with history.open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(done + 2))

    again = command("agegender.train", "resume=../run", f"trainer.max_epochs={done + 2}", cwd=elsewhere)
    assert "nothing to resume" in again.communicate(timeout=300)[0]
    test = command("agegender.evaluate", "checkpoint=../run", cwd=elsewhere)
    output, _ = test.communicate(timeout=300)
    assert test.returncode == 0, output
    assert "test split" in output and "appearance" in output


def test_other_faces_are_refused_and_a_complete_run_stays_unchanged(
    configure: Configure, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_utkface(tmp_path / "faces", 40)
    directory = run(configure(f"data.root={root}", "trainer.max_epochs=1"), tmp_path / "run")
    before = {name: (directory.path / name).read_text() for name in ("config.yaml", "versions.json", "split.csv")}
    changed = sorted(root.iterdir())[3]
    content = changed.read_bytes()
    changed.write_bytes(content + b"behind the end marker")
    with pytest.raises(AgeGenderError, match=f"the content of 1 images differs .*{changed.name}"):
        resume(directory, "trainer.max_epochs=2")
    changed.write_bytes(content)
    make_utkface(tmp_path / "more", 60, seed=3)
    for path in (tmp_path / "more").iterdir():
        shutil.move(path, root / path.name)
    with pytest.raises(AgeGenderError, match="faces differ"):
        resume(directory, "trainer.max_epochs=2")
    resume(directory)  # complete: nothing is done, nothing overwritten
    assert before == {name: (directory.path / name).read_text() for name in before}


def test_the_new_place_of_a_moved_data_folder_is_accepted(
    configure: Configure, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_utkface(tmp_path / "faces", 40)
    directory = run(configure(f"data.root={root}", "trainer.max_epochs=1"), tmp_path / "run")
    root.rename(tmp_path / "moved")
    resume(directory, f"data.root={tmp_path / 'moved'}", "trainer.max_epochs=2")
    assert read_checkpoint(directory.last)["epoch"] == 1
    assert RunDirectory(directory.path).read_config()["trainer"]["max_epochs"] == 2


def test_a_finished_run_without_a_test_is_tested_and_not_trained_further(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("test=false", "trainer.max_epochs=2"), tmp_path)
    before = directory.last.read_bytes()
    resume(directory, "test=true")
    assert directory.last.read_bytes() == before
    metrics = json.loads(directory.metrics.read_text())
    assert metrics["test"]["n"] > 0 and metrics["train"]["age_mae"] > 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loader.batch_size=4"], r"8 faces a step, .* with 4 \(1 process x loader.batch_size=4 x .*=1\). .*batch_size=8$"),
        (["trainer.accumulate_grad_batches=3"], "with 24 .* Keep 8 with a number of processes times loader.batch_size"),
    ],
)  # fmt: skip
def test_another_number_of_faces_in_a_step_is_refused_and_nothing_is_lost(
    overrides: list[str], message: str, configure: Configure, tmp_path: Path
) -> None:
    directory = run(configure("trainer.max_epochs=1", "test=false"), tmp_path)
    before = {path: path.read_bytes() for path in (directory.config, directory.last, directory.history)}
    with pytest.raises(AgeGenderError, match=message):
        resume(directory, "trainer.max_epochs=2", *overrides)
    assert before == {path: path.read_bytes() for path in before}
    resume(directory, "trainer.max_epochs=2", "loader.batch_size=4", "trainer.accumulate_grad_batches=2")
    assert read_checkpoint(directory.last)["epoch"] == 1


@pytest.mark.parametrize(
    ("trainer", "faces"),
    [
        ({"devices": 1}, 8), ({"devices": 4, "num_nodes": 2}, 64), ({"devices": [0, 2]}, 16), ({"devices": "2"}, 16),
        ({"devices": 2, "accumulate_grad_batches": 3}, 48), ({"devices": "auto"}, None), ({"devices": -1}, None), ({}, None),
    ],
)  # fmt: skip
def test_faces_per_step(trainer: dict[str, Any], faces: int | None) -> None:
    assert faces_per_step({"trainer": trainer, "loader": {"batch_size": 8}}) == faces
