"""Configurations of the jobs of a sweep, composed by Hydra."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict

from agegender.configuration.command import plain
from agegender.errors import AgeGenderError
from agegender.sweeps.grid import Configs


def composed(loader: Any, config: DictConfig, job_overrides: Sequence[Sequence[str]]) -> tuple[Configs, Path]:
    """Composes every job.

    A job tests only if its overrides say ``test=true``.

    Args:
        loader: Hydra's configuration loader.
        config: The configuration of the sweep itself.
        job_overrides: Overrides of each job.

    Returns:
        Overrides with plain, resolved configuration of each job, and the sweep directory.

    Raises:
        AgeGenderError: A key is missing or cannot be resolved, or ``resume`` is set.
    """
    configs = [
        (list(overrides), compose_job(loader, config, overrides, number)) for number, overrides in enumerate(job_overrides)
    ]
    return configs, Path(config.hydra.sweep.dir)


def compose_job(loader: Any, config: DictConfig, overrides: Sequence[str], number: int = 0) -> dict[str, Any]:
    """The plain, resolved configuration of one job, which tests only if its overrides say ``test=true``.

    Args:
        loader: Hydra's configuration loader.
        config: The configuration of the sweep itself.
        overrides: Of the job.
        number: Of the job.

    Raises:
        AgeGenderError: A key is missing or cannot be resolved, or ``resume`` is set.
    """
    job = loader.load_sweep_config(config, list(overrides))
    with open_dict(job):
        job.hydra.job.id, job.hydra.job.num = str(number), number
        if not any(override.partition("=")[0] == "test" for override in overrides):
            job.test = False
    settings = plain(job)
    if settings["resume"] is not None:
        raise AgeGenderError(f"resume={settings['resume']}: run the same sweep again to resume its jobs")
    return settings
