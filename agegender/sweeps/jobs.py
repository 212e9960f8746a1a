"""A job of a sweep: its configuration, its run directory and how far it has come."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agegender.configuration import job as job_file
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory

LINES = 5  # of a failed job's output that are kept as the reason
State = Literal["waiting", "running", "done", "failed", "pruned", "interrupted"]


@dataclass
class Job:
    """One training of a sweep.

    Args:
        overrides: As on the command line of the sweep, those of Hydra's own keys excepted.
        config: Plain, resolved and validated training configuration.
        run: Its run directory.

    Attributes:
        state: ``done`` if it has finished, in this sweep or in an earlier start of it; ``pruned`` if the search has
            stopped it early.
        status: Exit status of its process, 128 + N for signal N; None until it ends.
        reason: Last lines of its output, if it failed.
        varied: The overrides in which jobs of the sweep differ; None until they are known.
    """

    overrides: Sequence[str]
    config: Mapping[str, Any]
    run: RunDirectory
    state: State = "waiting"
    status: int | None = None
    reason: str = ""
    seconds: float = 0.0
    varied: Sequence[str] | None = None

    @property
    def distinct(self) -> Sequence[str]:
        """The overrides in which it differs from other jobs of the sweep; all of them until the others are known."""
        return self.varied if self.varied is not None else self.overrides

    @property
    def name(self) -> str:
        """What distinguishes it from the other jobs, in one line."""
        return " ".join(self.distinct) or "(no overrides)"

    @property
    def max_epochs(self) -> int:
        """Epochs that it trains at most."""
        return int(self.config["trainer"]["max_epochs"])

    @property
    def stopped(self) -> bool:
        """Whether the search has stopped it before it was complete."""
        return self.run.stop.is_file() and not self.run.metrics.is_file()

    def end(self, status: int, how: str, log: Path | None = None) -> None:
        """Records the end of its process.

        Args:
            status: Exit status, 128 + N for signal N.
            how: Why it failed, in one line, if the status is not 0.
            log: Tells more if the job has written nothing.
        """
        self.status = status
        self.state = "failed" if status else "pruned" if self.stopped else "done"
        lines = last_lines(self.run.output) or (last_lines(log) if log else [])
        self.reason = "\n".join([how, *last_error(lines)]) if status else ""

    def interrupt(self) -> None:
        """Records that the sweep ended before the job."""
        self.state, self.status = "interrupted", None

    def history(self) -> list[dict[str, float]]:
        """Metrics of its finished epochs; empty while the file cannot be read."""
        try:
            return self.run.read_history()
        except AgeGenderError:
            return []

    @property
    def score(self) -> float | None:
        """The smallest value of the configuration's ``monitor`` over its epochs; None before the first."""
        values = [row[self.config["monitor"]] for row in self.history() if self.config["monitor"] in row]
        return min(values) if values else None


def last_lines(file: Path, count: int = LINES) -> list[str]:
    """The last lines of a text file that are not empty; none if it cannot be read."""
    try:
        with file.open("rb") as text:
            text.seek(max(file.stat().st_size - 8192, 0))
            lines = text.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-count:]


def last_error(lines: list[str]) -> list[str]:
    """The lines from the last message of an error on; all of them without one.

    A job that was started again has messages of earlier starts in its output. Error lines that follow each other are one
    message.
    """
    errors = [number for number, line in enumerate(lines) if line.startswith("error")]
    first = max((number for number in errors if number - 1 not in errors), default=0)
    return lines[first:]


def digest(config: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration, by which a job is found again: the number of a job may change, its configuration may not."""
    identity = {key: value for key, value in config.items() if key != "resume"}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def matched(configs: Sequence[tuple[Sequence[str], Mapping[str, Any]]], sweep: Path) -> list[Job]:
    """Gives each configuration its run directory in a sweep directory.

    A configuration that an earlier start of the sweep ran gets the directory of then, others the next free numbers.

    Args:
        configs: Overrides and configuration of each job.
        sweep: The sweep directory, which need not exist.

    Raises:
        AgeGenderError: Two jobs have the same configuration.
    """
    earlier = {}
    taken = set()
    for folder in sorted(sweep.iterdir()) if sweep.is_dir() else ():
        taken.add(folder.name)
        run = RunDirectory(folder)
        if run.job.is_file():
            earlier[digest(job_file.read(run.job)["config"])] = run
    jobs: list[Job] = []
    known: dict[str, Job] = {}
    free = (str(number) for number in range(len(taken) + len(configs) + 1) if str(number) not in taken)
    for overrides, config in configs:
        identity = digest(config)
        if identity in known:
            raise AgeGenderError(f"two jobs have the same configuration: {known[identity].name} and {' '.join(overrides)}")
        run = earlier.get(identity) or RunDirectory(sweep / next(free))
        job = Job(list(overrides), config, run, "done" if run.metrics.is_file() else "waiting")
        known[identity] = job
        jobs.append(job)
    keys = varied_keys([job.overrides for job in jobs])
    for job in jobs:
        job.varied = [override for override in job.overrides if key_of(override) in keys]
    return jobs


def key_of(override: str) -> str:
    """The key of an override, without the signs that add or delete it."""
    return override.partition("=")[0].lstrip("+~")


def varied_keys(overrides: Sequence[Sequence[str]]) -> set[str]:
    """The keys that not all jobs set to the same value.

    Args:
        overrides: Those of each job.
    """
    shared = set.intersection(*(set(own) for own in overrides)) if overrides else set()
    return {key_of(override) for own in overrides for override in own if override not in shared}
