"""Several datasets as one ``data`` section, to evaluate a model on all of them at once."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields
from typing import Any

from agegender.configuration.command import register_resolvers
from agegender.configuration.paths import CONF
from agegender.configuration.schema import did_you_mean
from agegender.configuration.settings import DataSettings
from agegender.errors import AgeGenderError


def data_of(folders: Mapping[str, str], age_range: Sequence[float]) -> dict[str, Any]:
    """The ``data`` section with the sources of several datasets.

    Args:
        folders: The folder of each dataset, by its choice of ``data``.
        age_range: Of the configuration.

    Raises:
        AgeGenderError: There is no such choice, or it needs more than a folder.
    """
    sections = {name: _data(name, str(folder), age_range) for name, folder in folders.items()}
    shared = next(iter(sections.values()))
    merged = {one.name: shared[one.name] for one in fields(DataSettings) if one.name in shared}
    return {**merged, "sources": {key: source for section in sections.values() for key, source in section["sources"].items()}}


def _data(name: str, folder: str, age_range: Sequence[float]) -> dict[str, Any]:
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    known = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
    if name not in known:
        raise AgeGenderError(f"across.{name}: unknown dataset{did_you_mean(name, known)}. Allowed: {', '.join(known)}")
    register_resolvers()
    started = GlobalHydra.instance().is_initialized()  # by the command that is running
    with nullcontext() if started else hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("evaluate", [f"data={name}"])
    config.age_range = list(age_range)
    if "root" not in list(config.data):  # "in" alone is false for a value that must be given
        raise AgeGenderError(f"across.{name}: it is not read from one folder; evaluate it alone with data={name}")
    config.data.root = folder
    if missing := [str(key) for key in config.data if OmegaConf.is_missing(config.data, key)]:
        needed = ", ".join(f"data.{key}" for key in missing)
        raise AgeGenderError(f"across.{name}: it needs {needed} too; evaluate it alone with data={name}")
    return OmegaConf.to_container(config.data, resolve=True)  # type: ignore[return-value]
