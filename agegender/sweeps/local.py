"""Jobs of a sweep on this machine, each in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agegender.configuration import job as job_file
from agegender.processes.ranks import LAUNCHER
from agegender.sweeps.jobs import Job
from agegender.sweeps.places import Places

GRACE = 6.0  # seconds that a job has to end after SIGTERM, less than the sweep itself has


@dataclass(eq=False)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    began: float


def train_command(job: Job) -> list[str]:
    """Writes the file of a job; the command trains, or resumes the run if it has a checkpoint."""
    job_file.write(job.run.job, job.config, job.distinct, job.run.path.parent)
    return [sys.executable, "-m", "agegender.train", "--job", str(job.run.job)]


class LocalRunner:
    """Runs jobs on this machine.

    Args:
        places: Devices and threads for the jobs.
        command: Command line of a job.
    """

    def __init__(self, places: Places, command: Callable[[Job], list[str]] = train_command) -> None:
        self.parallel = places.parallel
        self._places = places
        self._command = command
        self._running: list[_Running] = []
        self._not_started: list[Job] = []

    def start(self, job: Job) -> bool:
        """Starts the process of a job, or records that it cannot be started. False while too few devices are free."""
        environment = self._places.take(job.config["trainer"])
        if environment is None:
            return False
        try:
            process = self._process(job, environment)
        except OSError as error:  # a full disk, for example; the other jobs go on
            self._places.give_back(environment)
            job.end(1, f"could not be started: {error}")
            self._not_started.append(job)
            return True
        job.state = "running"
        self._running.append(_Running(job, process, environment, time.monotonic()))
        return True

    def _process(self, job: Job, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        job.run.path.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C reaches the sweep alone, which then ends its jobs in order.
        with job.run.output.open("ab") as output:
            return subprocess.Popen(
                self._command(job), env={**os.environ, **environment, LAUNCHER: str(os.getpid())}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def poll(self) -> list[Job]:
        """The jobs that have ended, or could not be started, since the last call."""
        ended = [one for one in self._running if one.process.poll() is not None]
        for one in ended:
            self._running.remove(one)
            self._places.give_back(one.environment)
            status = one.process.returncode
            one.job.seconds = time.monotonic() - one.began
            how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            one.job.end(status if status >= 0 else 128 - status, how)
        failed, self._not_started = self._not_started, []
        return [*failed, *(one.job for one in ended)]

    def terminate(self) -> Sequence[Job]:
        """Ends all processes: SIGTERM, and SIGKILL for what is left after some seconds."""
        for one in self._running:
            one.process.terminate()
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and any(one.process.poll() is None for one in self._running):
            time.sleep(0.1)
        for one in self._running:
            if one.process.poll() is None:
                os.killpg(one.process.pid, signal.SIGKILL)
                one.process.wait()
            one.job.seconds = time.monotonic() - one.began
            one.job.interrupt()
        return [one.job for one in self._running]
