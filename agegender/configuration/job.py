"""What is known about the running job: its directory, its overrides, and its sweep.

A job started by Hydra reads them from Hydra. A job of a sweep is started with ``--job FILE``: the file holds its
configuration, as the sweep has composed it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from agegender.configuration.plain_yaml import read_yaml
from agegender.errors import AgeGenderError
from agegender.regular_files import open_text
from agegender.whole_files import whole

KEYS = ("config", "overrides", "sweep")

_running: dict[str, Any] | None = None  # of the file that this process was started with


def write(file: Path, config: Mapping[str, Any], overrides: Sequence[str], sweep: Path) -> None:
    """Writes the file of a job into its run directory.

    Args:
        file: Its name.
        config: Plain, resolved configuration.
        overrides: What distinguishes the job from the others of its sweep.
        sweep: The sweep directory.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"overrides": list(overrides), "sweep": str(sweep), "config": dict(config)}
    with whole(file) as partial:
        partial.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def read(file: Path) -> dict[str, Any]:
    """The content of the file of a job: ``config``, ``overrides``, ``sweep``.

    Raises:
        AgeGenderError: The file is missing or damaged.
    """
    try:
        with open_text(file) as opened:
            content = read_yaml(opened.read())
    except (OSError, ValueError) as error:
        raise AgeGenderError(f"{file}: cannot be read as the file of a job: {error}") from error
    if not isinstance(content, dict) or not all(key in content for key in KEYS) or not isinstance(content["config"], dict):
        raise AgeGenderError(f"{file}: expected a mapping with {', '.join(KEYS)}")
    return content


def enter(file: Path) -> dict[str, Any]:
    """Makes the job of a file the running job and returns its configuration.

    Raises:
        AgeGenderError: The file is missing or damaged.
    """
    global _running
    _running = {**read(file), "folder": file.parent}
    config: dict[str, Any] = _running["config"]
    return config


def is_of_sweep() -> bool:
    """Whether this process was started with the file of a job."""
    return _running is not None


def output_dir() -> Path:
    """The run directory of this job."""
    return _running["folder"] if _running else Path(HydraConfig.get().runtime.output_dir)


def overrides() -> list[str]:
    """The overrides of the command line, those of Hydra's own keys excepted."""
    return list(_running["overrides"] if _running else HydraConfig.get().overrides.task)


def resume_overrides() -> list[str]:
    """What a resumed run may change: nothing in a sweep, whose configuration is that of its first start."""
    return [] if _running else overrides()


def name() -> str | None:
    """The overrides in which this job differs from others of its sweep, in one line; None outside a sweep or without any."""
    return " ".join(_running["overrides"]) or None if _running else None


def sweep_dir() -> str | None:
    """The directory of all jobs of the sweep; None outside a sweep."""
    if _running:
        return str(_running["sweep"])
    return str(HydraConfig.get().sweep.dir) if shares_process() else None


def shares_process() -> bool:
    """Whether one process runs all jobs of a sweep, as Hydra's own launchers do."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
