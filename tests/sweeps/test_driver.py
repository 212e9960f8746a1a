"""Jobs as real processes, with small scripts in place of trainings."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.driver import run_jobs
from agegender.sweeps.jobs import Job
from agegender.sweeps.local import LocalRunner
from agegender.sweeps.places import Places

CONFIG: dict[str, Any] = {"monitor": "val/loss", "trainer": {"accelerator": "cpu", "devices": 1, "max_epochs": 2}}


def job(folder: Path, name: str) -> Job:
    return Job([f"name={name}"], CONFIG, RunDirectory(folder / name))


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_one_failing_job_does_not_stop_the_others(tmp_path: Path) -> None:
    codes = {"good": "print('fine')", "bad": "print('one'); print('two'); raise SystemExit(3)",
             "killed": "import os; os.kill(os.getpid(), 9)", "last": "pass"}  # fmt: skip
    jobs = [job(tmp_path, name) for name in codes]
    ended: list[str] = []
    status = run_jobs(
        jobs,
        LocalRunner(Places(2, [], 2), lambda one: python(codes[one.run.path.name])),
        on_end=lambda one: ended.append(one.name),
    )
    assert status == 0
    assert sorted(ended) == sorted(one.name for one in jobs)
    assert {one.run.path.name: (one.state, one.status) for one in jobs} == {
        "good": ("done", 0), "bad": ("failed", 3), "killed": ("failed", 137), "last": ("done", 0)
    }  # fmt: skip
    assert jobs[1].reason == "exit status 3\none\ntwo"
    assert jobs[2].reason == "killed by SIGKILL"


def test_a_job_that_cannot_be_started_is_a_failed_one_and_gives_its_place_back(tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # where the directory of a job would be, as a full disk has no room for one
    jobs = [job(tmp_path / "file", "bad"), job(tmp_path, "good")]
    assert run_jobs(jobs, LocalRunner(Places(1, [], 2), lambda _: python("pass"))) == 0
    assert [(one.state, one.status) for one in jobs] == [("failed", 1), ("done", 0)]
    assert jobs[0].reason.startswith("could not be started: [Errno 20] Not a directory")


def test_never_more_at_once_than_parallel_and_jobs_are_taken_when_there_is_room(tmp_path: Path) -> None:
    seen: list[int] = []
    taken: list[int] = []
    ended: list[Job] = []

    def jobs() -> Any:
        for number in range(4):
            taken.append(number - len(ended))
            yield job(tmp_path, str(number))

    run_jobs(jobs(), LocalRunner(Places(2, [], 2), lambda _: python("import time; time.sleep(0.5)")), on_end=ended.append,
             on_poll=lambda running: seen.append(len(running)))  # fmt: skip
    assert max(seen) == 2
    assert taken[:2] == [0, 1]
    assert max(taken) == 1  # the third is asked for when one has ended


def test_a_generator_that_has_nothing_at_the_moment_is_asked_again(tmp_path: Path) -> None:
    ended: list[Job] = []
    asked: list[int] = []

    def jobs() -> Any:
        yield job(tmp_path, "first")
        while not ended:
            asked.append(len(asked))
            yield None
        yield job(tmp_path, "second")

    run_jobs(jobs(), LocalRunner(Places(2, [], 2), lambda _: python("import time; time.sleep(0.5)")), on_end=ended.append)
    assert [one.run.path.name for one in ended] == ["first", "second"]
    assert len(asked) > 1


def test_a_job_that_stopped_as_it_was_told_is_pruned_unless_it_is_complete(tmp_path: Path) -> None:
    jobs = [job(tmp_path, name) for name in ("told", "told too late", "told and failed")]
    for one in jobs:
        one.run.write_stop("worse than others")
    jobs[1].run.metrics.write_text("{}")
    run_jobs(jobs, LocalRunner(Places(3, [], 2), lambda one: python(f"raise SystemExit({int('failed' in one.name)})")))
    assert [one.state for one in jobs] == ["pruned", "done", "failed"]


def test_finished_epochs_are_noticed(tmp_path: Path) -> None:
    epochs: list[float | None] = []
    code = "import sys, time, pathlib\nfor text in ('epoch,val/loss\\n0,2.5\\n', 'epoch,val/loss\\n0,2.5\\n1,1.5\\n'):\n" \
           "    time.sleep(0.6); pathlib.Path(sys.argv[1]).write_text(text)\ntime.sleep(0.6)"  # fmt: skip
    run_jobs([job(tmp_path, "a")], LocalRunner(Places(1, [], 2), lambda one: [*python(code), str(one.run.history)]),
             on_epoch=lambda one: epochs.append(one.score))  # fmt: skip
    assert epochs == [2.5, 1.5]


DRIVER = """
import sys
from pathlib import Path
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.driver import run_jobs
from agegender.sweeps.jobs import Job
from agegender.sweeps.local import LocalRunner
from agegender.sweeps.places import Places
config = {"monitor": "val/loss", "trainer": {"accelerator": "cpu", "devices": 1, "max_epochs": 2}}
jobs = [Job([f"n={n}"], config, RunDirectory(Path(sys.argv[1]) / str(n))) for n in range(3)]
code = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
status = run_jobs(jobs, LocalRunner(Places(2, [], 2), lambda job: [sys.executable, "-c", code, str(job.run.path / "pid")]))
print([job.state for job in jobs], flush=True)
raise SystemExit(status)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_jobs(tmp_path: Path, number: int, status: int) -> None:
    driver = subprocess.Popen([*python(DRIVER), str(tmp_path)], stdout=subprocess.PIPE, text=True)
    files = [tmp_path / str(n) / "pid" for n in range(2)]
    deadline = time.monotonic() + 60
    while not all(file.is_file() and file.read_text() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    driver.send_signal(number)
    output, _ = driver.communicate(timeout=60)
    assert driver.returncode == status
    assert "['interrupted', 'interrupted', 'waiting']" in output
    for file in files:
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)
