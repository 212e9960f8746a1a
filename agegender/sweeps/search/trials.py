"""Turns the trials of a study into jobs, and what the jobs measure into scores of trials."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna.trial import FrozenTrial, Trial, TrialState

from agegender.configuration import job as job_file
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.jobs import Job, digest, key_of
from agegender.sweeps.search.space import Space
from agegender.sweeps.search.study import RESULT, SharedStudy
from agegender.sweeps.table import FILE, Display, Row, write_table

RETRIES = 2  # of a trial with a job that was killed by a signal
LOOK = 1.0  # seconds between two questions for a trial while there is none
STATES = {
    TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed", TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}  # fmt: skip


@dataclass
class _Point:
    """A trial that is in work here. The job of its first seed is the only one that can be pruned; the others follow it."""

    trial: Trial
    name: str
    jobs: list[Job] = field(default_factory=list)


class Trials:
    """The jobs of a search, for ``agegender.sweeps.driver.run_jobs``.

    With several seeds, the first one of a trial trains alone and is compared with the first seeds of other trials. If it is
    not pruned, the other seeds train too. The score of the trial is the mean over its seeds, of each the best epoch.

    Args:
        study: Where the trials come from.
        space: What varies.
        seeds: Of each trial.
        configure: Composes the plain, resolved configuration of overrides.
        sweep: The sweep directory. The directory of a job is the number of its slot in the study, and its seed if there are
            several.
        display: Where to print.
    """

    def __init__(
        self, study: SharedStudy, space: Space, seeds: Sequence[int], configure: Callable[[list[str]], dict[str, Any]],
        sweep: Path, display: Display,
    ) -> None:  # fmt: skip
        self._study = study
        self._space = space
        self._seeds = seeds
        self._configure = configure
        self._sweep = sweep
        self._display = display
        self._queue: deque[Job] = deque()
        self._points: dict[int, _Point] = {}  # by the identity of each of its jobs
        self._next_look = 0.0
        self._waits = False

    def jobs(self) -> Iterator[Job | None]:
        """The next job, as soon as there is room for it; None while there is none but more may come."""
        while True:
            if self._queue:
                yield self._queue.popleft()
            elif time.monotonic() < self._next_look:
                yield None
            elif (asked := self._study.ask(self._space.distributions)) is not None:
                self._begin(*asked)
            elif self._study.is_over():
                return
            else:
                self._next_look = time.monotonic() + LOOK
                self._say_what_it_waits_for()

    def _say_what_it_waits_for(self) -> None:
        if not self._points and not self._waits:
            self._display.line("waiting for trials of another driver, to end or to be asked again here")
        self._waits = not self._points

    def _begin(self, trial: Trial, slot: int) -> None:
        values = self._space.overrides(trial.params)
        point = _Point(trial, " ".join(values))
        try:
            for seed in self._seeds:
                point.jobs.append(self._job(slot, values, seed))
        except (AgeGenderError, HydraException, OmegaConfBaseException) as error:
            self._tell(point, TrialState.FAIL, reason=" ".join(str(error).split()))
            return
        self._points |= {id(job): point for job in point.jobs}
        self._enqueue(point.jobs[0])

    def _job(self, slot: int, values: Sequence[str], seed: int) -> Job:
        several = len(self._seeds) > 1
        fixed = [one for one in self._space.fixed if not (several and key_of(one) == "seed")]
        own = [*values, *([f"seed={seed}"] if several else [])]
        config = self._configure([*fixed, *own])
        validate(config)
        run = own_directory(self._sweep, f"{slot}-seed{seed}" if several else str(slot), config)
        return Job([*fixed, *own], config, run, varied=own)

    def _enqueue(self, job: Job) -> None:
        if job.run.metrics.is_file():  # of a driver that died before it could tell the study
            job.state, job.status = "done", 0
            self.ended(job)
        else:
            self._queue.append(job)

    def epoch(self, job: Job) -> None:
        """Reports the epochs of a first seed, and tells its job to stop if the pruner says so."""
        point = self._points.get(id(job))
        if point and job is point.jobs[0] and self._study.report(point.trial, _scores(job)) and not job.run.stop.is_file():
            job.run.write_stop(f"trial {job.run.path.name} is pruned: its scores are worse than those of other trials")

    def poll(self, running: Sequence[Job]) -> None:
        """Shows the running jobs and keeps their trials alive."""
        self._study.beat()
        self._display(running)

    def ended(self, job: Job) -> None:
        """Tells the study about a job that has ended; a trial with several seeds goes on with the others."""
        self._next_look = 0.0
        point = self._points.get(id(job))
        if point is None or job.state == "interrupted":
            return
        first = job is point.jobs[0]
        if first:
            self._study.report(point.trial, _scores(job))
        if job.state == "failed" and (job.status or 0) > 128 and self._study.retries(point.trial) < RETRIES:
            self._forget(point)
            self._study.ask_again(point.trial)
            self._display.line(f"{job.run.path.name}  {job.reason.splitlines()[0]}, asked again  {point.name}")
        elif job.state == "failed":
            self._tell(point, TrialState.FAIL, status=job.status, reason=job.reason)
        elif job.state == "pruned":
            self._tell(point, TrialState.PRUNED)
        elif job.score is None:
            self._tell(point, TrialState.FAIL, reason=f"history.csv has no {job.config['monitor']}")
        elif all(one.state == "done" for one in point.jobs):
            scores = [one.score for one in point.jobs if one.score is not None]
            self._tell(point, TrialState.COMPLETE, sum(scores) / len(scores))
        elif first:
            for other in point.jobs[1:]:
                self._enqueue(other)

    def _tell(self, point: _Point, state: TrialState, value: float | None = None, **more: Any) -> None:
        self._forget(point)
        started = [job for job in point.jobs if job.state != "waiting"]
        directories = " ".join(job.run.path.name for job in started)
        result = {"directory": directories, "seconds": sum(job.seconds for job in started), **more}
        self._study.tell(point.trial, result, state, value)
        score = "" if value is None else f"{value:.4f}"
        self._display.line("  ".join(part for part in (directories, STATES[state], score, point.name) if part))
        self.write_table()

    def _forget(self, point: _Point) -> None:
        for job in point.jobs:
            self._points.pop(id(job), None)
            if job in self._queue:
                self._queue.remove(job)
            elif job.state in ("running", "waiting") and job.run.job.is_file():  # SLURM may have it in its queue
                job.run.write_stop("another seed of the trial has failed")

    def rows(self) -> list[Row]:
        """The table of the sweep: one row for each slot, those of other drivers and earlier starts too."""
        return [row_of(trial, self._space) for trial in self._study.trials()]

    def write_table(self) -> None:
        """Writes ``sweep.csv``."""
        write_table(self.rows(), self._sweep / FILE)


def row_of(trial: FrozenTrial, space: Space) -> Row:
    """A trial in the table of the sweep."""
    result: Mapping[str, Any] = trial.user_attrs.get(RESULT, {})
    best = min(trial.intermediate_values.values(), default=None)
    return Row(
        state=STATES[trial.state],
        score=trial.value if trial.state == TrialState.COMPLETE else best,
        seconds=result.get("seconds", 0.0),
        directory=result.get("directory", ""),
        overrides=" ".join(space.overrides(trial.params)),
        status=result.get("status", 0 if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) else None),
        reason=result.get("reason", ""),
    )


def own_directory(sweep: Path, name: str, config: Mapping[str, Any]) -> RunDirectory:
    """The run directory of a job: the one of this name, if it is free or holds the same job; otherwise NAME.1, NAME.2 ...

    Args:
        sweep: The sweep directory.
        name: The preferred name.
        config: Of the job.
    """
    for candidate in itertools.chain([name], (f"{name}.{number}" for number in itertools.count(1))):
        run = RunDirectory(sweep / candidate)
        if not run.path.exists() or (run.job.is_file() and digest(job_file.read(run.job)["config"]) == digest(config)):
            return run
    raise AssertionError  # the numbers do not end


def _scores(job: Job) -> dict[int, float]:
    monitor = job.config["monitor"]
    return {int(row["epoch"]): row[monitor] for row in job.history() if monitor in row}
