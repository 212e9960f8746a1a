"""What Hydra knows about the running job: its directory, its overrides, and its sweep."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode


def output_dir() -> Path:
    """The run directory that Hydra chose for this job."""
    return Path(HydraConfig.get().runtime.output_dir)


def overrides() -> list[str]:
    """The overrides of the command line, those of Hydra's own keys excepted."""
    return list(HydraConfig.get().overrides.task)


def sweep_dir() -> str | None:
    """The directory of all jobs of the sweep (``-m``); None outside a sweep and outside Hydra."""
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    return str(HydraConfig.get().sweep.dir)
