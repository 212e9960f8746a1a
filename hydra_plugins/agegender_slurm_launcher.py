"""``hydra/launcher=slurm``: every job of a sweep is a job of SLURM."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from agegender.sweeps.launcher import SweepLauncher


class SlurmLauncher(SweepLauncher):
    """Submits the jobs of a sweep to SLURM and waits for them.

    Args:
        parallel: Jobs that SLURM has at the same time, running or waiting.
        **settings: Resources of a job, named as the parameters of ``submitit.SlurmExecutor``.
    """

    def __init__(self, parallel: int, **settings: Any) -> None:
        self.parallel = parallel
        self.settings: Any = OmegaConf.to_container(OmegaConf.create(settings))

    def prepare(self, trainers: Sequence[Mapping[str, Any]]) -> Callable[..., int]:
        """The function that runs jobs, after a check of their resources."""
        from agegender.sweeps.driver import run_jobs
        from agegender.sweeps.slurm import SlurmRunner

        folder = Path(self.config.hydra.sweep.dir) / ".submitit"
        return partial(run_jobs, runner=SlurmRunner(folder, self.parallel, self.settings, trainers))
