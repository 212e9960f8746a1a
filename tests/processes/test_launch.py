"""Jobs of two processes end together: when one is killed, when the launcher is killed or interrupted."""

import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes of a job in /proc")

DDP = ["agegender.train", "trainer=ddp", "trainer.devices=2"]
TORCHRUN = ["torch.distributed.run", "--nproc-per-node", "2", "-m", "agegender.train"]


ENDLESS = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=4", "trainer.max_epochs=100000",
           "callbacks.early_stopping.patience=100000", "logger=none", "hydra.run.dir=run"]  # fmt: skip


@pytest.fixture
def endless(faces: Path, tmp_path: Path, start_job: Any) -> Iterator[Any]:
    """Starts a job of 100,000 epochs and waits for the first; kills the processes that the test leaves."""
    jobs: list[Any] = []

    def begin(*command: str) -> Any:
        job = start_job(tmp_path, *command, "data=utkface", f"data.root={faces}", *ENDLESS)
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


def assert_gone(job: Any) -> str:
    """Waits at most a minute for the command to fail and all its processes to end; returns the output."""
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
    assert f"process {number} of 2 (pid {pid}) was ended by SIGKILL, so the whole job was ended" in output
    # A data loading worker of the killed process may be killed during a handshake; Python prints its traceback.
    printed = [line for line in output.splitlines() if "Traceback" in line and not line.startswith(f"[rank{number}]")]
    assert not printed, output
    assert job.process.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_process_ends_the_job_of_torchrun(number: int, endless: Any) -> None:
    job = endless(*TORCHRUN)
    pid = job.rank(number)
    os.kill(pid, signal.SIGKILL)
    output = assert_gone(job)
    assert "Signal 9 (SIGKILL)" in output and str(pid) in output


@pytest.mark.parametrize("command", [DDP, TORCHRUN], ids=["command", "torchrun"])
def test_processes_end_with_a_killed_launcher(command: list[str], endless: Any) -> None:
    job = endless(*command)
    job.process.kill()
    output = assert_gone(job)
    assert f"(pid {job.process.pid}) has died" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [DDP, DDP[:1]], ids=["two ranks", "one process"])
def test_an_interrupted_command_says_how_to_resume(command: list[str], number: signal.Signals, endless: Any) -> None:
    job = endless(*command)
    job.process.send_signal(number)
    output = assert_says_how_to_resume(job, number)
    assert "error (process" not in output and "Traceback" not in output


def test_the_launcher_reports_a_signal_that_rank_0_could_not_report(endless: Any) -> None:
    job = endless(*DDP)
    pid = job.rank(0)
    job.process.send_signal(signal.SIGTERM)
    os.kill(pid, signal.SIGKILL)
    assert_says_how_to_resume(job, signal.SIGTERM)


def assert_says_how_to_resume(job: Any, number: signal.Signals) -> str:
    output = assert_gone(job)
    assert job.process.returncode == 128 + number
    errors = [line for line in output.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, output
    assert errors[0].startswith(f"error: stopped by {number.name}. Epoch ")
    assert re.search(r" is saved; continue with: python -m agegender.train resume=\S+/run$", errors[0])
    return output


@pytest.mark.parametrize("number", [0, 1])
def test_a_signal_to_one_rank_ends_the_job(number: int, endless: Any) -> None:
    job = endless(*DDP, "loader.num_workers=1")
    pid = job.rank(number)
    os.kill(pid, signal.SIGTERM)
    output = assert_gone(job)
    # Gloo aborts a rank that the signal interrupts between two halves of an exchange with the other rank.
    ended = [one for one in (signal.SIGTERM, signal.SIGABRT) if f"(pid {pid}) was ended by {one.name}, so the whole" in output]
    assert f"process {number} of 2" in output and job.process.returncode in [128 + one for one in ended]


def test_a_signal_to_torchrun_ends_the_job(endless: Any) -> None:
    job = endless(*TORCHRUN)
    job.process.send_signal(signal.SIGTERM)
    assert_gone(job)


def test_one_process_for_all_jobs_cannot_start_ranks(faces: Path, tmp_path: Path, start_job: Any) -> None:
    job = start_job(tmp_path, DDP[0], "-m", "hydra/launcher=basic", *DDP[1:], "seed=0,1", "data=utkface", f"data.root={faces}")
    output = job.output()
    assert job.process.returncode != 0
    assert "hydra/launcher=local" in output
    assert not list(tmp_path.glob("**/config.yaml"))
