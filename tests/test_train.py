"""Whole runs on generated faces: every part trains, tests and predicts; run directories explain themselves and resume."""

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
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import yaml

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.configuration.resume import continued
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.evaluate import evaluate
from agegender.metrics.registry import BY_KEY
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.module import AgeGenderModule

Configure = Callable[..., dict[str, Any]]
GROUPS = {group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in ("backbone", "head", "balance")}


def run(config: dict[str, Any], folder: Path, resuming: bool = False) -> RunDirectory:
    directory = RunDirectory(folder)
    validate(config)
    train(config, directory, resuming)
    return directory


def resume(directory: RunDirectory, *overrides: str) -> RunDirectory:
    return run(continued(directory.read_config(), overrides, directory.path), directory.path, resuming=True)


def weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    return checkpoint["state_dict"]


def assert_same_state(first: Any, second: Any, path: str = "") -> None:
    """To the last bit, through nested containers; figures of time differ by nature."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            if key != "seconds":
                assert_same_state(first[key], second[key], f"{path}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), path
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same_state(one, other, f"{path}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), path
    else:
        assert first == second or first != first, f"{path}: {first} != {second}"


# Every head with both balances on one backbone, and every backbone with two heads.
COMBINATIONS = [("custom_cnn", head, balance) for head in GROUPS["head"] for balance in GROUPS["balance"]]
COMBINATIONS += [
    (backbone, *parts)
    for backbone in GROUPS["backbone"]
    if backbone != "custom_cnn"
    for parts in (("dldl", "fixed"), ("regression", "uncertainty"))
]


@pytest.mark.parametrize(("backbone", "head", "balance"), COMBINATIONS)
def test_every_backbone_head_and_balance_trains_tests_and_predicts(
    backbone: str, head: str, balance: str, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = timm.create_model  # timm's own miniature stands in for architectures too large for a whole run
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: real("test_efficientnet", num_classes=0))
    small = ["image_size=32", "loader.batch_size=8", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "logger=none"]
    widths = ["backbone.widths=[4,8]"] if "cnn" in backbone else ["backbone.pretrained=false", "backbone.weights=null"]
    parts = [f"backbone={backbone}", f"head={head}", f"balance={balance}"]
    directory = run(compose(["data=utkface", f"data.root={faces}", *small, *widths, *parts]), tmp_path)
    metrics = json.loads(directory.metrics.read_text())
    assert metrics["tested"] == "test" and metrics["test"]["n"] > 0
    assert np.isfinite([metrics["test"]["age_mae"], metrics["test"]["gender_accuracy"]]).all()


@pytest.mark.parametrize("tasks", ["[age]", "[gender]"])
def test_one_task_alone(tasks: str, configure: Configure, tmp_path: Path) -> None:
    directory = run(configure(f"tasks={tasks}"), tmp_path)
    test = json.loads(directory.metrics.read_text())["test"]
    measured = {metric.needs.task for key, metric in BY_KEY.items() if metric.needs and key in test}
    assert measured == {tasks.strip("[]")} and not {"n_age", "n_gender"} <= set(test)


@pytest.mark.parametrize(
    "overrides",
    [
        ["augment=standard", "augment.hole_size=4", "schedule=one_cycle", "optimizer=sgd", "optimizer.lr=0.01"],
        ["sampler=lds", "head=laplace", "tasks=[age]"],
        ["augment=geometric", "schedule=plateau", "optimizer=adam", "sampler=age_balanced"],
        ["callbacks=ema", "trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=1.0"],
        ["finetune=frozen", "trunk=linear512", "tower=linear256", "gender_head=bce", "schedule=constant"],
        ["trainer.precision=bf16-mixed", "loader.cache=none", "augment=none", "logger=tensorboard", "head=coral"],
        ["pool=flatten", "tasks=[gender,age]", "head=age_bins", "head.readout=median"],
        ["loader.num_workers=2", "split.fractions=[0.6,0.2,0.2]", "data.duplicates=keep"],
    ],
)
def test_every_other_choice_runs(overrides: list[str], configure: Configure, tmp_path: Path) -> None:
    directory = run(configure(*overrides), tmp_path)
    assert json.loads(directory.metrics.read_text())["test"]["n"] > 0


def test_a_frozen_backbone_keeps_weights_and_statistics(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("finetune=frozen", "trainer.max_epochs=1"), tmp_path)
    trained = AgeGenderModule.load_from_checkpoint(directory.last).network
    torch.manual_seed(0)
    import lightning

    lightning.seed_everything(0, workers=True, verbose=False)
    fresh = AgeGenderModule(**read_checkpoint(directory.last)["hyper_parameters"]).network
    for (name, one), other in zip(trained.state_dict().items(), fresh.state_dict().values(), strict=True):
        assert torch.equal(one, other) == name.startswith("backbone."), name


def test_a_run_directory_explains_itself(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure(), tmp_path / "run")
    folder = directory.path
    assert yaml.safe_load((folder / "config.yaml").read_text())["head"]["sigma"] == 2.0
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["packages"]["torch"] == torch.__version__.split("+")[0]
    assert versions["precision"] == "32-true"
    metrics = json.loads(directory.metrics.read_text())
    import hashlib

    assert metrics["split"]["sha256"] == hashlib.sha256((folder / "split.csv").read_bytes()).hexdigest()
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "epoch 2/2" in (folder / "log.txt").read_text()
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"train/loss", "val/loss", "train/age_mae", "val/age_mae", "val/gender_accuracy"} <= set(rows[0])
    predictions = pd.read_parquet(folder / "predictions.parquet")
    test = predictions[predictions["split"] == "test"]
    assert len(test) == metrics["test"]["n"]
    assert abs(test["age_pred"] - test["age_low"]).mean() == pytest.approx(metrics["test"]["age_mae"])
    assert ((test["probability_female"] > 0.5) == (test["gender"] == 1)).mean() == pytest.approx(
        metrics["test"]["gender_accuracy"]
    )
    assert metrics["val"]["age_distance"] == pytest.approx(min(float(row["val/age_distance"]) for row in rows), rel=1e-4)
    assert {p.name for p in folder.iterdir()} == {
        "checkpoints", "config.yaml", "csv", "curves.png", "history.csv", "layers.txt", "log.txt", "metrics.json", "model.json",
        "faces.png", "predictions.parquet", "predictions.png", "seen.txt", "split.csv", "versions.json",
    }  # fmt: skip


def test_the_precision_really_used_is_recorded(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("trainer.precision=16-mixed", "trainer.max_epochs=1"), tmp_path)
    assert json.loads((directory.path / "versions.json").read_text())["precision"] == "bf16-mixed"


def test_the_same_seed_gives_the_same_model_and_another_seed_another(configure: Configure, tmp_path: Path) -> None:
    one, same, other = (
        run(configure(f"seed={seed}", f"split.seed={0}"), tmp_path / name)
        for name, seed in (("one", 3), ("same", 3), ("other", 4))
    )
    assert_same_state(weights(read_checkpoint(one.last)), weights(read_checkpoint(same.last)))
    first = weights(read_checkpoint(one.last))["network.heads.age.layer.weight"]
    assert not torch.equal(first, weights(read_checkpoint(other.last))["network.heads.age.layer.weight"])


class Stopped(Exception):
    """Stands for whatever ends a process between two epochs."""


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_a_resumed_run_equals_one_that_never_stopped(
    workers: int, schedule: str, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [
        f"loader.num_workers={workers}", "trainer.max_epochs=4", "callbacks=ema", "callbacks.ema.decay=0.8",
        f"schedule={schedule}", "trunk=dropout", "balance=uncertainty",
    ]  # fmt: skip
    if schedule == "plateau":
        overrides += ["schedule.patience=0", "schedule.threshold=10"]
    whole = run(configure(*overrides), tmp_path / "whole")

    from agegender.training.checkpoints import EpochCheckpoint

    save = EpochCheckpoint.on_train_epoch_end

    def stop_after_second_epoch(self: EpochCheckpoint, trainer: Any, module: Any) -> None:
        save(self, trainer, module)
        if trainer.current_epoch == 1:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(EpochCheckpoint, "on_train_epoch_end", stop_after_second_epoch)
        with pytest.raises(Stopped):
            run(configure(*overrides), tmp_path / "first")
    shutil.move(tmp_path / "first", tmp_path / "moved")  # a moved run still resumes
    halves = RunDirectory(tmp_path / "moved")
    assert read_checkpoint(halves.last)["epoch"] == 1
    resumed = resume(halves)

    one, other = read_checkpoint(whole.last), read_checkpoint(resumed.last)
    for key in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "global_step"):
        assert_same_state(one[key], other[key], key)
    assert_same_state(one["callbacks"], other["callbacks"], "callbacks")
    first, second = (json.loads(r.metrics.read_text()) for r in (whole, resumed))
    assert first == second


def test_tested_weights_are_the_averaged_ones(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("callbacks=ema", "callbacks.ema.decay=0.9"), tmp_path)
    checkpoint = read_checkpoint(directory.best)
    averaged, raw = weights(checkpoint), checkpoint["current_model_state"]
    assert any(not torch.equal(averaged[key], raw[key]) for key in raw)
    tested = AgeGenderModule.load_from_checkpoint(directory.best)
    assert_same_state(dict(tested.state_dict()), averaged)
    again = evaluate(directory, directory.read_config(), "test")
    assert again["test"] == json.loads(directory.metrics.read_text())["test"]


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


def test_a_killed_process_resumes_on_the_command_line_and_is_evaluated(faces: Path, tmp_path: Path) -> None:
    """Kill -9 in mid-epoch; the epoch is run again; then test again from another directory."""
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
    assert "test part" in output and "appearance" in output


def test_without_test_the_metrics_are_of_the_validation_split(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("test=false"), tmp_path)
    metrics = directory.read_metrics()
    assert metrics["tested"] == "val" and "test" not in metrics
    predictions = directory.read_predictions()
    assert predictions is not None and set(predictions["split"]) == {"val"}
    assert "the test split was left alone" in directory.log.read_text()


def test_a_split_without_a_test_part_says_which_part_the_figures_are_of(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("split.fractions=[0.8,0.2,0]", "trainer.max_epochs=1"), tmp_path)
    metrics = json.loads(directory.metrics.read_text())
    assert metrics["tested"] == "val" and "test" not in metrics
    assert "there is no test split" in (directory.path / "log.txt").read_text()


def test_a_resumed_run_keeps_its_faces(configure: Configure, make_utkface: Callable[..., Path], tmp_path: Path) -> None:
    root = make_utkface(tmp_path / "faces", 40)
    directory = run(configure(f"data.root={root}", "trainer.max_epochs=1"), tmp_path / "run")
    before = {name: (directory.path / name).read_text() for name in ("config.yaml", "versions.json", "split.csv")}
    make_utkface(tmp_path / "more", 60, seed=3)
    for path in (tmp_path / "more").iterdir():
        shutil.move(path, root / path.name)
    with pytest.raises(AgeGenderError, match="faces differ"):
        resume(directory, "trainer.max_epochs=2")
    resume(directory)  # complete: nothing is done, nothing overwritten
    assert before == {name: (directory.path / name).read_text() for name in before}


def test_a_moved_data_folder_is_told_on_resuming(
    configure: Configure, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_utkface(tmp_path / "faces", 40)
    directory = run(configure(f"data.root={root}", "trainer.max_epochs=1"), tmp_path / "run")
    root.rename(tmp_path / "moved")
    resume(directory, f"data.root={tmp_path / 'moved'}", "trainer.max_epochs=2")
    assert read_checkpoint(directory.last)["epoch"] == 1
    assert RunDirectory(directory.path).read_config()["trainer"]["max_epochs"] == 2


def test_a_run_that_ended_untested_is_tested_and_not_trained_on(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("test=false", "trainer.max_epochs=2"), tmp_path)
    before = directory.last.read_bytes()
    resume(directory, "test=true")
    assert directory.last.read_bytes() == before
    metrics = json.loads(directory.metrics.read_text())
    assert metrics["test"]["n"] > 0 and metrics["train"]["age_mae"] > 0


def test_a_device_that_is_not_there(configure: Configure, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(AgeGenderError, match="trainer"):
        run(configure("trainer=gpu"), tmp_path)
