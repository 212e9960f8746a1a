"""``hydra/launcher=local``: every job of a sweep in processes of its own. The work is done in ``agegender.sweeps``."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig


class LocalLauncher(Launcher):
    """Runs the jobs of a sweep on this machine.

    Args:
        parallel: Jobs at the same time, on disjoint devices.
    """

    def __init__(self, parallel: int = 1) -> None:
        self.parallel = parallel

    def setup(self, *, hydra_context: Any, task_function: Any, config: DictConfig) -> None:
        """Keeps what Hydra gives."""
        self.config = config
        self.loader = hydra_context.config_loader

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Composes all jobs and runs them; ends the process if the sweep fails."""
        from agegender.configuration.command import exit_on_error
        from agegender.sweeps.composed import composed
        from agegender.sweeps.grid import run_grid

        with exit_on_error():
            configs, sweep = composed(self.loader, self.config, job_overrides)
            if status := run_grid(configs, sweep, self.prepare):
                raise SystemExit(status)
        return [finished(overrides) for overrides in job_overrides]

    def prepare(self, trainers: Sequence[Mapping[str, Any]]) -> Callable[..., int]:
        """The function that runs jobs, after a check that there is room for each; sweepers use it too."""
        from agegender.sweeps.driver import run_jobs
        from agegender.sweeps.local import LocalRunner
        from agegender.sweeps.places import places_here

        return partial(run_jobs, runner=LocalRunner(places_here(self.parallel, trainers)))


def finished(overrides: Sequence[str]) -> JobReturn:
    """What Hydra's sweeper expects of a job. The score is in its run directory."""
    job = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    job.return_value = None
    return job
