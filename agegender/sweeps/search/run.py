"""Runs a search: reads the space, checks it, opens the study, runs the jobs, and writes what came out."""

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from optuna.trial import TrialState

from agegender.configuration.build import build
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.escaping import one_line
from agegender.sweeps.composed import compose_job
from agegender.sweeps.jobs import key_of
from agegender.sweeps.search.experiment import write_experiment
from agegender.sweeps.search.outcome import draw, write_importance
from agegender.sweeps.search.settings import SearchSettings
from agegender.sweeps.search.space import Space, read_space
from agegender.sweeps.search.storage import database_errors, database_url, open_storage
from agegender.sweeps.search.study import SharedStudy, identity_of
from agegender.sweeps.search.trials import Trials
from agegender.sweeps.table import FILE, Display, as_text

MOST = 20  # rows of the table that is printed
# Settings that may differ between drivers and restarts: they name places on a machine, or do not change the model.
MAY_DIFFER = ("data.root", "loader.num_workers", "loader.cache", "logger", "name")


def run_search(settings: SearchSettings, arguments: Sequence[str], loader: Any, config: DictConfig, launcher: Any) -> int:
    """Runs the trials that remain.

    Args:
        settings: How to search.
        arguments: As on the command line, those of Hydra's own keys excepted.
        loader: Hydra's configuration loader.
        config: The configuration of the sweep itself.
        launcher: Runs the jobs.

    Returns:
        Exit status: 0, 1 if a trial has failed, 128 + N after signal N.

    Raises:
        AgeGenderError: A setting or the space is invalid, the database cannot be used, or the study belongs to another search.
    """
    if not hasattr(launcher, "prepare"):
        raise AgeGenderError("hydra/launcher: it cannot run the jobs of a search. Allowed: local, slurm")
    space = read_space(arguments, loader)
    sweep = Path(config.hydra.sweep.dir)

    def configure(overrides: list[str]) -> dict[str, Any]:
        return compose_job(loader, config, overrides)

    configs = checked(space, configure, settings.seeds)
    run_jobs = launcher.prepare([one["trainer"] for one in configs])
    monitor, first = str(configs[0]["monitor"]), int(configs[0]["seed"])
    sampler, pruner = build(settings.sampler, "hydra.sweeper.sampler"), build(settings.pruner, "hydra.sweeper.pruner")
    url = database_url(settings.storage, sweep)
    with database_errors(url), disk_errors(sweep):
        study = SharedStudy(
            open_storage(url, settings.heartbeat), settings.name, settings.n_trials, settings.heartbeat, sampler, pruner
        )
        fixed = [one for one in space.fixed if not (key_of(one).startswith(MAY_DIFFER) or key_of(one).endswith(".root"))]
        study.require_same(identity_of(space.distributions, fixed, monitor=monitor, seeds=settings.seeds))
        display = Display()
        trials = Trials(study, space, range(first, first + settings.seeds), configure, sweep, display)
        rows = trials.rows()
        ended = sum(row.state in ("done", "pruned", "failed") for row in rows)
        display.line(f"search: {settings.n_trials} trials, {ended} of them ended, in {sweep}")
        try:
            trials.write_table()
            status: int = run_jobs(trials.jobs(), on_epoch=trials.epoch, on_end=trials.ended, on_poll=trials.poll)
        finally:
            with suppress(Exception):  # the cause is raised already
                study.ask_all_again()
        trials.write_table()
        rows = trials.rows()
        print(as_text(rows, monitor, MOST))
        print(f"table: {one_line(sweep / FILE)}")
        if status:
            print(f"error: interrupted by signal {status - 128}; the same command continues the search", file=sys.stderr)
        else:
            conclude(study, space, loader, sweep, monitor)
    return status or int(any(row.state == "failed" for row in rows))


def checked(space: Space, configure: Callable[[list[str]], dict[str, Any]], seeds: int) -> list[dict[str, Any]]:
    """Composes and checks the configurations at the ends of every interval and for every choice.

    Args:
        space: The search space.
        configure: Composes the configuration of overrides.
        seeds: Of each trial.

    Returns:
        The configurations.

    Raises:
        AgeGenderError: One of them is invalid, or is not for a search.
    """
    if seeds > 1 and "seed" in map(key_of, space.distributions):
        raise AgeGenderError(f"hydra.sweeper.seeds={seeds}: seed must have one value; a trial takes it and the seeds after it")
    configs = []
    for point in space.corners():
        overrides = [*space.fixed, *space.overrides(point)]
        try:
            config = configure(overrides)
            validate(config)
        except (AgeGenderError, HydraException, OmegaConfBaseException) as error:
            lines = str(error).strip().expandtabs(4).splitlines()
            raise AgeGenderError(f"{' '.join(space.overrides(point))}: {lines[0]}", *lines[1:]) from error
        if config["test"]:
            raise AgeGenderError(
                "test=true: a search selects a model, so it must not touch the test split. Test the winner alone"
            )
        configs.append(config)
    return configs


def conclude(study: SharedStudy, space: Space, loader: Any, sweep: Path, monitor: str) -> None:
    """Writes and prints the best configuration, the importance of parameters and the pictures."""
    complete = [trial for trial in study.trials() if trial.state == TrialState.COMPLETE]
    if not complete:
        print("no trial is complete, so there is no best configuration")
        return
    best = min(complete, key=lambda trial: trial.value or 0.0)
    values = space.overrides(best.params)
    importance = write_importance(study.study, sweep)
    if importance:
        print("importance: " + ", ".join(f"{key} {share:.2f}" for key, share in importance.items()))
    draw(study.study, sweep, monitor)
    comment = f"Best of {len(study.trials())} trials: {monitor} {best.value:.4f} on the validation split."
    again = write_experiment([*space.fixed, *values], loader, sweep, comment)
    print(one_line(f"best: {monitor} {best.value:.4f}  {' '.join(values)}"))
    print(one_line(f"train it again: python -m agegender.train {shlex.join(again)}"))
    print(one_line(f"ranking, and the command that tests the winner: python -m agegender.compare {shlex.quote(str(sweep))}"))


@contextmanager
def disk_errors(sweep: Path) -> Iterator[None]:
    """Turns an error of the file system, such as a full disk, into one line.

    Raises:
        AgeGenderError: A file cannot be written.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or sweep
        raise AgeGenderError(f"{place}: {error.strerror or error}. The same command continues the search") from error
