"""Sweeps through a real SLURM of two nodes, which ``scripts/slurm_here.sh`` starts on this machine."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.slurm import SlurmRunner, resources

pytest.importorskip("submitit", reason="needs pip install 'agegender[slurm]'")

SCRIPT = CONF.parent / "scripts" / "slurm_here.sh"
ENDLESS = ["trainer.max_epochs=100000", "callbacks.early_stopping.patience=100000"]
PREEMPT = ["sbatch", "--partition=urgent", "--nodes=2", "--cpus-per-task=4", "--output=/dev/null", "--wrap=true"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A running SLURM, that commands find through the environment."""
    folder = Path(tempfile.gettempdir()) / f"agegender-slurm-{uuid.uuid4().hex[:8]}"
    started = subprocess.run(["bash", SCRIPT, "start", folder], capture_output=True, text=True, check=False)
    if started.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(started.stderr.strip().removeprefix("error: "))
    # It ends when its standard input does, and so even if the tests are killed.
    end = ["bash", "-c", 'read; bash "$0" stop "$1" && rm -r "$1"', SCRIPT, folder]
    guard = subprocess.Popen(end, stdin=subprocess.PIPE, start_new_session=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        yield
    guard.communicate(timeout=120)
    assert not folder.exists()


class Sweep:
    """A sweep from the command line, in ``tmp_path/sweep``."""

    def __init__(self, faces: Path, folder: Path) -> None:
        self.folder = folder / "sweep"
        self.drivers: list[subprocess.Popen[str]] = []
        self.command = [
            sys.executable, "-m", "agegender.train", "-m", "hydra/launcher=slurm", f"hydra.sweep.dir={self.folder}",
            "data=utkface", f"data.root={faces}", "image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8",
            "loader.num_workers=0", "logger=none", "hydra.launcher.cpus_per_task=1",
        ]  # fmt: skip

    def start(self, *overrides: str) -> subprocess.Popen[str]:
        driver = subprocess.Popen(
            [*self.command, *overrides], cwd=self.folder.parent, env={**os.environ, "PYTHONPATH": str(CONF.parent)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.drivers.append(driver)
        return driver

    def run(self, *overrides: str) -> tuple[int, str]:
        driver = self.start(*overrides)
        output = driver.communicate(timeout=300)[0]
        return driver.returncode, output

    def job(self, number: int) -> RunDirectory:
        return RunDirectory(self.folder / str(number))

    def rows(self) -> list[dict[str, str]]:
        with (self.folder / "sweep.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def wait_for(self, what: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 240
        while not what():
            assert time.monotonic() < deadline, subprocess.check_output(["scontrol", "show", "job"], text=True)
            time.sleep(0.2)


def finish_after(run: RunDirectory, epochs: int) -> None:
    """Changes the number of epochs of a job that waits."""
    for file in (run.job, run.config):
        file.write_text(file.read_text().replace("max_epochs: 100000", f"max_epochs: {epochs}"))


@pytest.fixture
def sweep(cluster: None, faces: Path, tmp_path: Path) -> Iterator[Sweep]:
    """A sweep; drivers and jobs that a test leaves are ended."""
    one = Sweep(faces, tmp_path)
    yield one
    for driver in one.drivers:
        driver.kill()
    subprocess.run(["scancel", "--me"], check=True)


def shown(number: str, field: str) -> str:
    """A field of a SLURM job."""
    command = ["squeue", "--states=all", "--noheader", f"--jobs={number}", f"--Format={field}:|"]
    return subprocess.check_output(command, text=True).strip().rstrip("|")


def test_an_array_of_jobs_and_the_same_command_again(sweep: Sweep, faces: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    overrides = [f"data.root={faces},{later}", "trainer.max_epochs=1"]
    status, output = sweep.run(*overrides)
    assert status == 1, output
    done, failed = sweep.rows()
    assert (done["state"], done["status"], failed["state"], failed["status"]) == ("done", "0", "failed", "2"), output
    array, place = sweep.job(0).read_slurm().split("_")
    assert (place, sweep.job(1).read_slurm()) == ("0", f"{array}_1")
    assert (
        failed["reason"].startswith(f"SLURM job {array}_1: FAILED, exit status 2\nerror: ") and str(later) in failed["reason"]
    )
    metrics = sweep.job(0).read_metrics()
    assert metrics["tested"] == "val" and "test" not in metrics

    shutil.copytree(faces, later)
    status, output = sweep.run(*overrides)
    assert status == 0, output
    assert "2 jobs, 1 of them done" in output
    assert [row["state"] for row in sweep.rows()] == ["done", "done"]


def test_ranks_on_one_node_and_on_two(sweep: Sweep) -> None:
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.num_nodes=1,2", "trainer.max_epochs=2"]
    status, output = sweep.run(*ddp)
    assert status == 0, output + "".join(sweep.job(number).output.read_text() for number in (0, 1))
    for number, nodes in enumerate((1, 2)):
        run = sweep.job(number)
        trainer = run.read_config()["trainer"]
        assert (trainer["num_nodes"], trainer["devices"], trainer["strategy"]) == (nodes, 2, "ddp")
        assert shown(run.read_slurm(), "NumNodes") == str(nodes)
        assert [row["epoch"] for row in run.read_history()] == [0, 1]
        said = run.output.read_text()
        assert said.count("run directory:") == 1  # one of the ranks writes
        assert f"{8 * 2 * nodes} images per step" in said
        assert run.read_metrics()["val"]["n"] == 6  # each face once


def test_a_job_that_is_preempted_or_out_of_time_continues(sweep: Sweep) -> None:
    """Each job has a node for itself. One is preempted with a grace time, in which a job that ends is not requeued by SLURM."""
    limits = ["hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=10", "hydra.launcher.partition=grace"]
    driver = sweep.start("seed=0,1", "hydra.launcher.cpus_per_task=4", *ENDLESS, *limits)
    jobs = [sweep.job(number) for number in (0, 1)]
    sweep.wait_for(lambda: all(job.last.is_file() for job in jobs))
    numbers = [job.read_slurm() for job in jobs]
    subprocess.run([*PREEMPT, "--nodes=1", f"--nodelist={shown(numbers[0], 'NodeList')}"], check=True)
    for job, number in zip(jobs, numbers, strict=True):
        sweep.wait_for(lambda number=number: shown(number, "State") == "PENDING")
        finish_after(job, len(job.read_history()) + 1)
    output = driver.communicate(timeout=300)[0]
    assert driver.returncode == 0, output
    assert [row["state"] for row in sweep.rows()] == ["done", "done"]
    for job, number, name in zip(jobs, numbers, ("SIGTERM", "SIGUSR2"), strict=True):
        said = job.output.read_text()
        assert f"error: stopped by {name}. Epoch " in said and "requeued, to continue" in said
        assert f"SLURM job {number} on" in said and "start 2" in said and "continued from last.ckpt" in said
        history = [row["epoch"] for row in job.read_history()]
        assert history == list(range(len(history)))
        assert job.read_metrics()["val"]["n"] == 6


def test_jobs_outlive_a_killed_driver_are_watched_by_the_next_and_end_with_it(sweep: Sweep) -> None:
    first = sweep.start("seed=0,1", *ENDLESS)
    jobs = [sweep.job(number) for number in (0, 1)]
    sweep.wait_for(lambda: all(job.last.is_file() for job in jobs))
    first.send_signal(signal.SIGKILL)
    first.wait()
    numbers = [job.read_slurm() for job in jobs]
    subprocess.run(PREEMPT, check=True)  # without a grace time: SLURM requeues the jobs by itself
    sweep.wait_for(lambda: {shown(number, "State") for number in numbers} == {"PENDING"})
    second = sweep.start("seed=0,1", *ENDLESS)
    sweep.wait_for(lambda: all("continued from last.ckpt" in job.output.read_text() for job in jobs))
    assert [job.read_slurm() for job in jobs] == numbers
    subprocess.run(["scancel", numbers[1]], check=True)
    sweep.wait_for(lambda: sweep.rows()[1]["state"] == "failed")
    assert sweep.rows()[1]["reason"].startswith(f"SLURM job {numbers[1]}: CANCELLED\nerror: stopped by SIGTERM. Epoch ")
    second.send_signal(signal.SIGTERM)
    output = second.communicate(timeout=60)[0]
    assert second.returncode == 143, output
    assert [row["state"] for row in sweep.rows()] == ["interrupted", "failed"]
    sweep.wait_for(lambda: shown(numbers[0], "State") == "CANCELLED")
    assert "Traceback" not in output


def test_what_slurm_rejects_is_one_error(sweep: Sweep) -> None:
    status, output = sweep.run("seed=0,1", "hydra.launcher.partition=nowhere")
    assert status == 2
    errors = [line for line in output.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and "invalid partition specified: nowhere" in errors[0]
    assert "Traceback" not in output


SETTINGS = {"nodes": None, "tasks_per_node": None, "gpus_per_node": None, "additional_parameters": {}}


@pytest.mark.parametrize(
    ("settings", "trainer", "expected"),
    [
        ({}, {"accelerator": "cpu", "devices": 2, "num_nodes": 3}, (3, 2, None)),
        ({}, {"accelerator": "gpu", "devices": 1}, (1, 1, 1)),
        ({}, {"accelerator": "auto", "devices": [0, 3]}, (1, 2, 2)),
        ({}, {"accelerator": "gpu", "devices": "auto"}, (1, 1, 1)),
        ({"gpus_per_node": 8}, {"accelerator": "auto", "devices": "auto", "num_nodes": 2}, (2, 8, 8)),
        ({"nodes": 2, "tasks_per_node": 4}, {"accelerator": "gpu", "devices": 1}, (2, 4, 4)),
        ({"gpus_per_node": 0}, {"accelerator": "gpu", "devices": 2}, (1, 2, None)),
    ],
)  # fmt: skip
def test_resources_follow_the_trainer(settings: Any, trainer: Any, expected: Any) -> None:
    assert tuple(resources({**SETTINGS, **settings}, trainer).values()) == expected


def test_without_slurm_there_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AgeGenderError, match=r"^hydra/launcher=slurm: .*srun"):
        SlurmRunner(tmp_path, 1, SETTINGS, [{"accelerator": "cpu", "devices": 1}])
    with pytest.raises(AgeGenderError, match=r"hydra.launcher.parallel=0: must be an integer of at least 1"):
        SlurmRunner(tmp_path, 0, SETTINGS, [])
