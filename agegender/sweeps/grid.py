"""A sweep over given configurations: checks all of them, runs those that are not done, prints and writes the table."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.escaping import one_line
from agegender.sweeps.jobs import Job, matched, varied_keys
from agegender.sweeps.table import FILE, Display, Row, as_text, write_table

MAY_TEST = ("seed", "split.seed", "split.number")  # a sweep over these alone selects no model

Configs = Sequence[tuple[Sequence[str], Mapping[str, Any]]]
Prepare = Callable[[Sequence[Mapping[str, Any]]], Callable[..., int]]


def run_grid(configs: Configs, sweep: Path, prepare: Prepare) -> int:
    """Runs one job for each configuration.

    Args:
        configs: Overrides and plain, resolved configuration of each job.
        sweep: The sweep directory. Jobs that an earlier start of the sweep has finished do not run again.
        prepare: Takes the Trainer's arguments of every job, refuses what the launcher has no room for, and returns the function
            that runs jobs: ``agegender.sweeps.driver.run_jobs`` with the runner of the launcher.

    Returns:
        Exit status: 0 if all jobs are done, 1 if one failed, 128 + N after signal N.

    Raises:
        AgeGenderError: A configuration is invalid; no job has started then.
    """
    require_valid(configs)
    run_jobs = prepare([config["trainer"] for _, config in configs])
    jobs = matched(configs, sweep)
    display = Display()
    display.line(f"sweep: {len(jobs)} jobs, {sum(job.state == 'done' for job in jobs)} of them done, in {sweep}")
    table = sweep / FILE

    def record() -> bool:
        try:
            write_table(list(map(Row.of, jobs)), table)
        except OSError as error:
            display.line(f"{table}: cannot be written: {error.strerror}; the jobs go on")
            return False
        return True

    def ended(job: Job) -> None:
        display.line(f"{job.run.path.name}  {job.state}  {'' if job.score is None else f'{job.score:.4f}  '}{job.name}")
        record()

    try:
        write_table(list(map(Row.of, jobs)), table)
    except OSError as error:
        raise AgeGenderError(f"{table}: cannot be written: {error.strerror}") from error
    status = run_jobs((job for job in jobs if job.state != "done"), on_end=ended, on_poll=display)
    recorded = record()
    print(as_text(list(map(Row.of, jobs)), str(configs[0][1]["monitor"])))
    print(f"table: {one_line(table)}")
    command = f"python -m agegender.compare {shlex.quote(str(sweep))}"
    print(f"ranking, and the command that tests the winner: {one_line(command)}")
    if status:
        print(f"error: interrupted by signal {status - 128}; the same command runs what is missing", file=sys.stderr)
    return status or int(any(job.state == "failed" for job in jobs) or not recorded)


def require_valid(configs: Configs) -> None:
    """Checks every configuration before any job starts.

    Raises:
        AgeGenderError: Names the first job that is invalid with all its faults, and how many others are.
    """
    faults = []
    for overrides, config in configs:
        try:
            validate(config)
        except AgeGenderError as error:
            first, *others = error.lines
            faults.append([f"job {' '.join(overrides)}: {first}", *others])
    if faults:
        more = [f"and {len(faults) - 1} further jobs"] if len(faults) > 1 else []
        raise AgeGenderError(*faults[0], *more)
    varied = varied_keys([overrides for overrides, _ in configs])
    if any(config["test"] for _, config in configs) and not varied <= set(MAY_TEST):
        raise AgeGenderError(
            f"test=true: a sweep that varies {', '.join(sorted(varied - set(MAY_TEST)))} selects a model, so it must not touch "
            f"the test split. Only a sweep over {', '.join(MAY_TEST)} may test. agegender.compare prints the command that "
            "tests the winner"
        )
