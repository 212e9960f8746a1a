"""Runs the jobs of a sweep, some at a time, each in a process of its own, and ends all of them together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agegender.configuration import job as job_file
from agegender.processes.interruption import SIGNALS, Interrupted
from agegender.processes.ranks import LAUNCHER
from agegender.sweeps.jobs import Job
from agegender.sweeps.places import Places

POLL = 0.2  # seconds between two looks at the jobs
GRACE = 6.0  # seconds that a job has to end after SIGTERM, less than the sweep itself has
LINES = 5  # of a failed job's output that are kept as the reason


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    began: float
    epochs: int = 0


def run_jobs(
    jobs: Iterable[Job | None],
    places: Places,
    command: Callable[[Job], list[str]] = lambda job: train_command(job),
    on_epoch: Callable[[Job], None] = lambda job: None,
    on_end: Callable[[Job], None] = lambda job: None,
    on_poll: Callable[[list[Job]], None] = lambda running: None,
) -> int:
    """Runs jobs until none is left. One that fails does not stop the others.

    Args:
        jobs: Taken one by one, as soon as there is room for the next; a generator may decide then what comes next. None means
            that there is none at the moment: it is asked again a little later.
        places: Devices and threads for the jobs.
        command: Command line of a job.
        on_epoch: Called when a job has finished an epoch.
        on_end: Called when a job has ended, with its ``state``, ``status`` and ``reason`` set.
        on_poll: Called several times a second with the running jobs.

    Returns:
        0, or 128 + N after signal N, which ends all jobs.
    """
    running: list[_Running] = []
    waiting = iter(jobs)
    following: Job | None = None
    exhausted = False
    with _signals_raise():
        try:
            while running or following or not exhausted:
                while following or not (exhausted or len(running) >= places.parallel):
                    if following is None:
                        try:
                            following = next(waiting)
                        except StopIteration:
                            exhausted = True
                        if following is None:
                            break
                    environment = places.take(following.config["trainer"])
                    if environment is None:
                        break
                    running.append(_start(following, environment, command(following)))
                    following = None
                for one in list(running):
                    if (count := len(one.job.history())) > one.epochs:
                        one.epochs = count
                        on_epoch(one.job)
                    if (status := one.process.poll()) is not None:
                        running.remove(one)
                        _end(one, status, places)
                        on_end(one.job)
                on_poll([one.job for one in running])
                time.sleep(POLL)
        except Interrupted as stop:
            _terminate(running, on_end)
            return 128 + stop.number
        except BaseException:
            _terminate(running, on_end)
            raise
    return 0


def train_command(job: Job) -> list[str]:
    """Writes the file of a job; the command trains, or resumes the run if it has a checkpoint."""
    resume = str(job.run.path) if job.run.last.is_file() else None
    job_file.write(job.run.job, {**job.config, "resume": resume}, job.overrides, job.run.path.parent)
    return [sys.executable, "-m", "agegender.train", "--job", str(job.run.job)]


def _start(job: Job, environment: dict[str, str], command: list[str]) -> _Running:
    job.run.path.mkdir(parents=True, exist_ok=True)
    # A session of its own: Ctrl-C reaches the sweep alone, which then ends its jobs in order.
    with job.run.output.open("ab") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment, LAUNCHER: str(os.getpid())}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    job.state = "running"
    return _Running(job, process, environment, time.monotonic(), len(job.history()))


def _end(one: _Running, status: int, places: Places) -> None:
    places.give_back(one.environment)
    job = one.job
    job.seconds = time.monotonic() - one.began
    job.status = status if status >= 0 else 128 - status
    job.state = "failed" if status else "pruned" if job.stopped else "done"
    if status:
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        job.reason = "\n".join([how, *from_error(last_lines(job.run.output))])


def last_lines(file: Path, count: int = LINES) -> list[str]:
    """The last lines of a text file that are not empty; none if it cannot be read."""
    try:
        with file.open("rb") as text:
            text.seek(max(file.stat().st_size - 8192, 0))
            lines = text.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-count:]


def from_error(lines: list[str]) -> list[str]:
    """The lines from the first message of an error on; all of them without one."""
    first = next((number for number, line in enumerate(lines) if line.startswith("error")), 0)
    return lines[first:]


def _terminate(running: list[_Running], on_end: Callable[[Job], None]) -> None:
    """Ends all jobs: SIGTERM, and SIGKILL for what is left after a while."""
    for one in running:
        one.process.terminate()
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(one.process.poll() is None for one in running):
        time.sleep(POLL)
    for one in running:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()
        one.job.state, one.job.status = "interrupted", None
        one.job.seconds = time.monotonic() - one.began
        on_end(one.job)
    running.clear()


@contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGINT and SIGTERM raise ``Interrupted`` once; a second one is ignored while the jobs are being ended."""

    def stop(number: int, _: Any) -> None:
        for caught in before:
            signal.signal(caught, signal.SIG_IGN)
        raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
