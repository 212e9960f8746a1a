"""What the Hydra launchers of this project have in common."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig


class SweepLauncher(Launcher):
    """Runs the jobs of a sweep in processes of their own."""

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
        return [_finished(overrides) for overrides in job_overrides]

    @abstractmethod
    def prepare(self, trainers: Sequence[Mapping[str, Any]]) -> Callable[..., int]:
        """``agegender.sweeps.driver.run_jobs`` with the runner of this launcher; sweepers use it too.

        Args:
            trainers: Arguments of the Trainer of every job.

        Raises:
            AgeGenderError: The launcher cannot run one of them.
        """


def _finished(overrides: Sequence[str]) -> JobReturn:
    """What Hydra's sweeper expects of a job. The score is in its run directory."""
    job = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    job.return_value = None
    return job
