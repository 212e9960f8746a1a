"""Runs the jobs of a sweep, some at a time, and ends all of them together."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from agegender.processes.interruption import SIGNALS, Interrupted
from agegender.sweeps.jobs import Job

POLL = 0.2  # seconds between two looks at the jobs


class Runner(Protocol):
    """Runs jobs, on this machine or through SLURM.

    Attributes:
        parallel: Jobs at the same time, 1 or more.
    """

    parallel: int

    def start(self, job: Job) -> bool:
        """Starts a job. False while there is no room for it."""

    def poll(self) -> Sequence[Job]:
        """The jobs that have ended since the last call, each with its ``state``, ``status`` and ``reason`` set."""

    def terminate(self) -> Sequence[Job]:
        """Ends all running jobs within seconds and returns them, each with the state ``interrupted``."""


def run_jobs(
    jobs: Iterable[Job | None],
    runner: Runner,
    on_epoch: Callable[[Job], None] = lambda job: None,
    on_end: Callable[[Job], None] = lambda job: None,
    on_poll: Callable[[list[Job]], None] = lambda running: None,
) -> int:
    """Runs jobs until none is left. One that fails does not stop the others.

    Args:
        jobs: Taken one by one, as soon as there is room for the next; a generator may decide then what comes next. None means
            that there is none at the moment: it is asked again a little later.
        runner: Runs them.
        on_epoch: Called when a job has finished an epoch.
        on_end: Called when a job has ended.
        on_poll: Called several times a second with the running jobs.

    Returns:
        0, or 128 + N after signal N, which ends all jobs.
    """
    running: list[Job] = []
    epochs: dict[Path, int] = {}
    waiting = iter(jobs)
    following: Job | None = None
    exhausted = False
    with _signals_raise():
        try:
            while running or following or not exhausted:
                while following or not (exhausted or len(running) >= runner.parallel):
                    if following is None:
                        try:
                            following = next(waiting)
                        except StopIteration:
                            exhausted = True
                        if following is None:
                            break
                    epochs[following.run.path] = len(following.history())
                    if not runner.start(following):
                        break
                    running.append(following)
                    following = None
                ended = runner.poll()
                for job in running:
                    if (count := len(job.history())) > epochs[job.run.path]:
                        epochs[job.run.path] = count
                        on_epoch(job)
                for job in ended:
                    running = [other for other in running if other is not job]
                    on_end(job)
                on_poll(running)
                time.sleep(POLL)
        except BaseException as error:
            for job in runner.terminate():
                on_end(job)
            if isinstance(error, Interrupted):
                return 128 + error.number
            raise
    return 0


@contextmanager
def _signals_raise() -> Iterator[None]:
    """The signals that interrupt a command raise once; later ones are ignored while the jobs are being ended."""

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
