"""Real sweeps from the command line: jobs in processes of their own, continued where an earlier start ended."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agegender.configuration.paths import CONF
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory

TINY = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8", "loader.num_workers=0", "logger=none"]


def command(faces: Path, sweep: Path, *overrides: str) -> list[str]:
    return [sys.executable, "-m", "agegender.train", "-m", "data=utkface", f"data.root={faces}", *TINY,
            f"hydra.sweep.dir={sweep}", *overrides]  # fmt: skip


def run(faces: Path, sweep: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    return subprocess.run(
        command(faces, sweep, *overrides), env=environment, cwd=sweep.parent, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


def table(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_jobs_of_two_ranks_and_the_same_command_again(faces: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    overrides = ["trainer=ddp", "trainer.devices=2", "trainer.max_epochs=1", "seed=0,1", "hydra.launcher.parallel=1"]
    (sweep / "0").mkdir(parents=True)
    (sweep / "0" / "of somebody else").touch()  # the jobs get the numbers 1 and 2
    first = run(faces, sweep, *overrides)
    assert first.returncode == 0, first.stdout + first.stderr
    rows = table(sweep)
    assert [(row["state"], row["directory"], row["overrides"]) for row in rows] == [
        ("done", "1", "seed=0"), ("done", "2", "seed=1")
    ]  # fmt: skip
    for number, seed in (("1", 0), ("2", 1)):
        job = RunDirectory(sweep / number)
        assert job.read_config()["seed"] == seed
        metrics = job.read_metrics()
        assert metrics["tested"] == "val" and "test" not in metrics  # a sweep leaves the test split alone
        assert read_checkpoint(job.last)["hyper_parameters"]["seed"] == seed
    scores = {row["overrides"]: float(row["score"]) for row in rows}
    assert all(score > 0 for score in scores.values())

    before = {number: (sweep / number / "checkpoints" / "last.ckpt").stat().st_mtime_ns for number in "12"}
    again = run(faces, sweep, *overrides[:3], "seed=1,0,2", overrides[4])
    assert again.returncode == 0, again.stdout + again.stderr
    assert "3 jobs, 2 of them done" in again.stderr
    assert before == {number: (sweep / number / "checkpoints" / "last.ckpt").stat().st_mtime_ns for number in "12"}
    assert [row["directory"] for row in table(sweep)] == ["2", "1", "3"]


def test_a_killed_sweep_is_finished_by_the_same_command(faces: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    overrides = ["seed=0,1", "hydra.launcher.parallel=2", "trainer.max_epochs=200"]
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    driver = subprocess.Popen(command(faces, sweep, *overrides), env=environment, cwd=tmp_path, start_new_session=True)
    lasts = [sweep / number / "checkpoints" / "last.ckpt" for number in "01"]
    deadline = time.monotonic() + 240
    while not all(last.is_file() for last in lasts):
        assert time.monotonic() < deadline and driver.poll() is None
        time.sleep(0.2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    jobs = [name for name in os.listdir("/proc") if name.isdigit() and _command_line(name).endswith("job.yaml")]
    while any(str(tmp_path) in _command_line(job) for job in jobs):  # they end with their driver
        assert time.monotonic() < deadline
        time.sleep(0.2)
    done = [read_checkpoint(last)["epoch"] + 1 for last in lasts]
    for number in "01":  # an epoch more is enough: the same job, with less to do
        file = sweep / number / "job.yaml"
        file.write_text(file.read_text().replace("max_epochs: 200", f"max_epochs: {max(done) + 1}"))
        config = sweep / number / "config.yaml"
        config.write_text(config.read_text().replace("max_epochs: 200", f"max_epochs: {max(done) + 1}"))
    second = run(faces, sweep, *overrides[:2], f"trainer.max_epochs={max(done) + 1}")
    assert second.returncode == 0, second.stdout + second.stderr
    for number, epochs in zip("01", done, strict=True):
        history = RunDirectory(sweep / number).read_history()
        assert [row["epoch"] for row in history] == list(range(max(done) + 1))
        assert "continued from last.ckpt" in (sweep / number / "log.txt").read_text()
        assert json.loads((sweep / number / "metrics.json").read_text())["val"]["n"] > 0
        assert epochs <= max(done)


def test_a_killed_rank_ends_its_job_with_one_message_and_the_sweep_goes_on(faces: Path, tmp_path: Path) -> None:
    """The first job would never end; the second is short."""
    sweep = tmp_path / "sweep"
    overrides = ["trainer=ddp", "trainer.devices=2", "trainer.max_epochs=100000,1", "callbacks.early_stopping.patience=100000"]
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    driver = subprocess.Popen(
        command(faces, sweep, *overrides), env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while not (sweep / "0" / "history.csv").is_file():
        assert time.monotonic() < deadline and driver.poll() is None
        time.sleep(0.1)
    pid = ranks_of(sweep / "0")["1"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while ranks_of(sweep / "0"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    output, _ = driver.communicate(timeout=240)
    assert driver.returncode == 1, output
    rows = table(sweep)
    assert [(row["state"], row["status"]) for row in rows] == [("failed", "137"), ("done", "0")]
    message = f"error: process 1 of 2 (pid {pid}) was ended by SIGKILL, so the whole job was ended"
    assert rows[0]["reason"].splitlines()[-1] == message
    assert output.count(message) == 1


def ranks_of(run: Path) -> dict[str, int]:
    """Process ids of the living ranks of a job, by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            items = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        environment = dict(item.split("=", 1) for item in items if "=" in item)
        if "RANK" in environment and environment.get("AGEGENDER_RUN_DIR") == str(run):
            found[environment["RANK"]] = int(folder.name)
    return found


def _command_line(pid: str) -> str:
    try:
        return Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=0,1", "backbone.widths=x"], "backbone.widths=x"),
        (["seed=0,1", "hydra.launcher.parallel=0"], "hydra.launcher.parallel=0"),
        (["head=dldl,regression", "test=true"], "test=true"),
        (["seed=0,1", "monitor=val/x"], "monitor=val/x"),
        (["seed=0,1", "resume=x"], "resume=x"),
    ],
)
def test_a_mistake_is_one_error_before_any_job_starts(faces: Path, tmp_path: Path, overrides: list[str], message: str) -> None:
    done = run(faces, tmp_path / "sweep", *overrides)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "sweep").glob("*/"))
