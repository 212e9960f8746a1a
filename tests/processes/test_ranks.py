"""Jobs of two processes, started for real: they train what one process trains, test each face once and end together."""

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import pytest
import torch

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.configuration.schema import validate
from agegender.data.assemble import assemble
from agegender.data.batches import TrainBatches
from agegender.errors import AgeGenderError
from agegender.evaluate import evaluate
from agegender.processes import ranks
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.module import AgeGenderModule, read_checkpoint

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes of a job in /proc")

MARK = "AGEGENDER_TEST_JOB"
DDP = ["agegender.train", "trainer=ddp", "trainer.devices=2"]
TORCHRUN = ["torch.distributed.run", "--nproc-per-node", "2", "-m", "agegender.train"]


@dataclass
class Job:
    """A command running in a folder of its own; all its processes carry a mark in their environment."""

    process: subprocess.Popen[str]
    mark: str

    def pids(self) -> dict[int, dict[str, str]]:
        """Living processes of the job, with their environments."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                items = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            environment = dict(item.split("=", 1) for item in items if "=" in item)
            if environment.get(MARK) == self.mark:
                found[int(folder.name)] = environment
        return found

    def rank(self, number: int) -> int:
        """The process of a rank: loading processes are its children and carry its number too."""
        same = [pid for pid, environment in self.pids().items() if environment.get("RANK") == str(number)]
        return min(same)

    def output(self, timeout: float = 300) -> str:
        return self.process.communicate(timeout=timeout)[0]


def start(cwd: Path, *command: str) -> Job:
    mark = uuid.uuid4().hex
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent), MARK: mark}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=environment,
    )  # fmt: skip
    return Job(process, mark)


def finished(job: Job) -> str:
    output = job.output()
    assert job.process.returncode == 0, output
    assert not job.pids()
    return output


@pytest.fixture(scope="module")
def settings(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Faces of which most lack a label, for a network without batch norm or dropout; early stopping after three epochs."""
    root = shutil.copytree(faces, tmp_path_factory.mktemp("partly") / "faces")
    rng = np.random.default_rng(5)
    with (root / "faces.csv").open("w") as file:
        file.write("path,age,gender\n")
        for path in sorted(root.glob("*.jpg")):
            age, gender = path.name.split("_")[:2]
            kind = rng.choice(["age", "gender", "both"], p=[0.7, 0.2, 0.1])
            file.write(f"{path.name},{age if kind != 'gender' else ''},{'mf'[int(gender)] if kind != 'age' else ''}\n")
    return [
        "data=folder", f"data.root={root}", "data.csv=faces.csv", "image_size=32", "split.fractions=[0.734,0.15,0.116]",
        "backbone=vit_b16", "backbone.name=test_vit", "backbone.pretrained=false", "augment=none", "balance=uncertainty",
        "optimizer=sgd", "optimizer.lr=0.02", "schedule=constant", "trainer.max_epochs=6",
        "callbacks.early_stopping.patience=2", "+callbacks.early_stopping.min_delta=1000",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def alone(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    directory = RunDirectory(tmp_path_factory.mktemp("alone") / "run")
    config = compose([*settings, "loader.batch_size=8"])
    validate(config)
    train(config, directory)
    return directory


@pytest.fixture(scope="module")
def together(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, str]:
    """Two processes with half the batch each, and what they printed."""
    folder = tmp_path_factory.mktemp("together")
    output = finished(start(folder, *DDP, *settings, "loader.batch_size=4"))
    return RunDirectory(only_run(folder)), output


def only_run(folder: Path) -> Path:
    """The run directory, where the command has left nothing else."""
    runs = list(folder.glob("outputs/*/*"))
    assert len(runs) == 1 and [path.name for path in folder.iterdir()] == ["outputs"]
    return runs[0]


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return read_checkpoint(run.last)["state_dict"]


def history(run: RunDirectory) -> list[dict[str, str]]:
    with (run.path / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_two_processes_with_half_the_batch_train_the_weights_of_one(
    alone: RunDirectory, together: tuple[RunDirectory, str], settings: list[str]
) -> None:
    one, two = weights(alone), weights(together[0])
    untrained = AgeGenderModule(**read_checkpoint(alone.last)["hyper_parameters"]).state_dict()
    assert one.keys() == two.keys()
    moved = max(float((one[name] - untrained[name]).abs().max()) for name in one if one[name].is_floating_point())
    assert moved > 0.1
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")
    first, second = history(alone), history(together[0])
    assert len(first) == len(second) == 3  # of six epochs: all processes stopped early, in the same epoch
    for row, other in zip(first, second, strict=True):
        for key in row.keys() - {"seconds"}:
            assert float(row[key]) == pytest.approx(float(other[key]), rel=1e-3, abs=1e-4), key

    # It would prove little about masks if every process had met every label in every step.
    data = assemble(compose([*settings, "loader.batch_size=4"]))
    data.setup()
    frame = data.table.frame
    rows = np.flatnonzero(frame["split"] == "train")
    shares = [TrainBatches(rows, 4, 0, rank, 2) for rank in range(2)]
    for share in shares:
        share.set_epoch(1)
    known = [[frame["gender"].iloc[step.indices].notna().any() for step in share] for share in shares]
    assert {(True, False), (False, False)} <= set(zip(*known, strict=True)) | {(b, a) for a, b in zip(*known, strict=True)}


def test_two_processes_test_what_one_tests_each_face_once(together: tuple[RunDirectory, str]) -> None:
    run = together[0]
    metrics = json.loads(run.metrics.read_text())
    split = pd.read_csv(run.path / "split.csv")
    counts = split["split"].value_counts()
    assert counts["val"] % 8 == 1 and counts["test"] % 2 == 1  # so that numbers of faces, and of batches, differ
    predictions = pd.read_parquet(run.path / "predictions.parquet")
    held_out = split[split["split"] != "train"]
    assert sorted(predictions["path"]) == sorted(held_out["path"])
    assert (metrics["test"]["n"], metrics["val"]["n"]) == (counts["test"], counts["val"])
    for part in ("val", "test"):
        assert_close(evaluate(run, run.read_config(), part)[part], metrics[part])


def assert_close(first: Any, second: Any) -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_close(first[key], second[key])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_close(one, other)
    else:
        assert first == (pytest.approx(second, rel=1e-4, abs=1e-4) if isinstance(second, float) else second)


def test_one_process_speaks_and_writes(alone: RunDirectory, together: tuple[RunDirectory, str]) -> None:
    run, output = together
    for line in ("run directory:", "race as labelled:", "epoch 1/6", "epoch 3/6", "all figures:"):
        assert output.count(line) == 1, output
        assert (run.path / "log.txt").read_text().count(line) == 1
    assert not re.search("error|warn|sync_dist|before the ``update``", output), output
    names = [{str(p.relative_to(r.path)) for p in r.path.rglob("*") if "evaluation" not in p.parts} for r in (run, alone)]
    assert names[0] == names[1]


def test_torchrun_agrees_on_a_directory_and_its_run_resumes(
    settings: list[str], together: tuple[RunDirectory, str], tmp_path: Path
) -> None:
    """Started by torchrun for one epoch, continued by the plain command, which starts two processes as before."""
    output = finished(start(tmp_path, *TORCHRUN, *settings, "loader.batch_size=4", "trainer.max_epochs=1"))
    assert output.count("run directory:") == 1
    run = RunDirectory(only_run(tmp_path))
    assert (run.read_config()["trainer"]["devices"], run.read_config()["trainer"]["strategy"]) == (2, "ddp")
    output = finished(start(tmp_path, "agegender.train", f"resume={run.path}", "trainer.max_epochs=6"))
    assert output.count("continued from last.ckpt") == 1
    assert only_run(tmp_path) == run.path
    one, two = weights(run), weights(together[0])
    assert all(torch.equal(one[name], two[name]) for name in two)
    assert len(history(run)) == 3


ENDLESS = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=4", "trainer.max_epochs=100000",
           "callbacks.early_stopping.patience=100000", "logger=none", "hydra.run.dir=run"]  # fmt: skip


@pytest.fixture
def endless(faces: Path, tmp_path: Path) -> Iterator[Any]:
    """Starts a job that would train for ever and waits for its first epoch; ends what is left of it."""
    jobs: list[Job] = []

    def begin(*command: str) -> Job:
        job = start(tmp_path, *command, "data=utkface", f"data.root={faces}", *ENDLESS)
        jobs.append(job)
        deadline = time.monotonic() + 300
        while not (tmp_path / "run" / "history.csv").exists():
            assert job.process.poll() is None, job.output()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(random.random())
        return job

    yield begin
    for job in jobs:
        for pid in job.pids():
            os.kill(pid, signal.SIGKILL)


def assert_gone(job: Job) -> str:
    """Within a minute the command has failed and none of its processes lives."""
    deadline = time.monotonic() + 60
    output = job.output(timeout=60)
    while job.pids() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not job.pids(), output
    assert job.process.returncode != 0
    return output


@pytest.mark.parametrize(("number", "workers"), [(0, 1), (1, 0)])
def test_a_killed_process_ends_the_job(number: int, workers: int, endless: Any) -> None:
    job = endless(*DDP, f"loader.num_workers={workers}")
    pid = job.rank(number)
    os.kill(pid, signal.SIGKILL)
    output = assert_gone(job)
    assert f"process {number} of 2 (pid {pid}) was killed by SIGKILL, so the whole job was ended" in output
    # A worker of the killed process may be cut off in the middle of a handshake, and Python says so for it.
    told = [line for line in output.splitlines() if "Traceback" in line and not line.startswith(f"[rank{number}]")]
    assert not told, output
    assert job.process.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_process_ends_the_job_of_torchrun(number: int, endless: Any) -> None:
    job = endless(*TORCHRUN)
    pid = job.rank(number)
    os.kill(pid, signal.SIGKILL)
    output = assert_gone(job)
    assert "Signal 9 (SIGKILL)" in output and str(pid) in output


@pytest.mark.parametrize("command", [DDP, TORCHRUN], ids=["command", "torchrun"])
def test_processes_do_not_outlive_what_started_them(command: list[str], endless: Any) -> None:
    job = endless(*command)
    job.process.kill()
    output = assert_gone(job)
    assert f"(pid {job.process.pid}) has died" in output


def test_a_sweep_of_jobs_with_several_processes_is_refused(faces: Path, tmp_path: Path) -> None:
    job = start(tmp_path, DDP[0], "-m", *DDP[1:], "seed=0,1", "data=utkface", f"data.root={faces}")
    output = job.output()
    assert job.process.returncode != 0
    assert "trainer.devices=1" in output and "for seed in" in output
    assert not list(tmp_path.glob("**/config.yaml"))


@pytest.mark.parametrize(
    ("trainer", "count"),
    [
        ({"devices": 1}, 1), ({"devices": 3}, 3), ({"devices": "2"}, 2), ({"devices": [1, 3]}, 2), ({"devices": "1,3"}, 2),
        ({"devices": "1,"}, 1), ({"devices": "auto", "accelerator": "cpu"}, 1), ({"devices": -1, "accelerator": "cpu"}, 1),
    ],
)  # fmt: skip
def test_devices_are_counted_as_lightning_counts_them(trainer: dict[str, Any], count: int) -> None:
    assert ranks.wanted(trainer) == count


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"devices": 1, "strategy": "ddp_spawn"}, r"strategy=ddp_spawn: allowed: auto, ddp"),
        ({"devices": 1, "num_nodes": 2}, "torchrun --nnodes 2"),
        ({"devices": 2}, "torchrun"),
    ],
)
def test_ways_that_do_not_work_are_refused(trainer: dict[str, Any], message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        ranks.placed(trainer)


def test_torchrun_says_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert (ranks.rank(), ranks.world_size()) == (5, 8)
    assert ranks.placed({"devices": 1}) == {"devices": 4, "num_nodes": 2, "strategy": "ddp"}
    assert ranks.placed({"devices": [0, 1, 2, 5]})["devices"] == [0, 1, 2, 5]
    with pytest.raises(AgeGenderError, match=r"trainer\.devices=3: torchrun started 4"):
        ranks.placed({"devices": 3})


def test_two_processes_thaw_a_backbone_as_one_does(settings: list[str], tmp_path: Path) -> None:
    """Features from disk in two epochs; then weights that had no gradient before, and some that never have any."""
    stages = ["finetune=two_stage", "finetune.two_stage.epochs=2", "finetune.two_stage.lr=0.02",
              "finetune.two_stage.weight_decay=0.1", "trainer.max_epochs=3", "test=false"]  # fmt: skip
    alone = RunDirectory(tmp_path / "alone")
    train(compose([*settings, *stages, "loader.batch_size=8"]), alone)
    stages += ["loader.batch_size=4", "loader.cache_dir=cache", "hydra.run.dir=together"]
    finished(start(tmp_path, *DDP, *settings, *stages))
    assert len(list((tmp_path / "cache" / "features").glob("*.npy"))) == 2  # train and val, each computed by either process
    one, two = weights(alone), weights(RunDirectory(tmp_path / "together"))
    lightning.seed_everything(0, workers=True, verbose=False)
    untrained = AgeGenderModule(**read_checkpoint(alone.last)["hyper_parameters"]).state_dict()
    moved = {name for name in two if name.startswith("network.backbone") and not torch.equal(two[name], untrained[name])}
    last = ("network.backbone.net.blocks.5.", "network.backbone.net.norm.")
    assert len(moved) > 4 and all(name.startswith(last) for name in moved)
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")
