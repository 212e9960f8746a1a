"""The configuration of a resumed run: the saved one, with those overrides that do not change the model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from agegender.configuration.path_arguments import PathArgument, path_arguments
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError

# Keys that may differ when a run is resumed, beside those of files and folders, which may have moved. The rest is fixed,
# because the model was trained with it.
MAY_CHANGE = ("trainer.", "loader.", "logger.", "data.root", "data.sources.", "test", "compile")


def continued(saved: Mapping[str, Any], overrides: Sequence[str], folder: Path) -> dict[str, Any]:
    """Applies command-line overrides to the configuration of a run that is resumed.

    Args:
        saved: The run's resolved configuration.
        overrides: As on the command line. ``resume``, ``experiment`` and ``hydra.*`` are ignored.
        folder: The run directory.

    Raises:
        AgeGenderError: An override changes what the run is, or names a key that its configuration lacks.
    """
    paths = {argument.key: argument for argument in path_arguments(saved)}
    folders = [key for key, argument in paths.items() if key.startswith("data.sources.") and argument.kind == "folder"]
    config = OmegaConf.create(dict(saved))
    OmegaConf.set_struct(config, True)
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key, value = override.key_or_group, override.value()
        if key in ("resume", "experiment") or key.startswith("hydra."):
            continue
        if not (key.startswith(MAY_CHANGE) or _moved(paths.get(key), value)) or (CONF / key).is_dir():
            allowed = ", ".join(f"{name}*" if name.endswith(".") else name for name in MAY_CHANGE)
            raise AgeGenderError(
                f"{override.input_line}: a resumed run keeps its configuration; start a new run to change {key}. "
                f"Allowed: {allowed}, and the new place of a file or folder that has moved"
            )
        if key == "data.root" and len(saved["data"]["sources"]) == 1:  # the saved configuration is resolved
            key = folders[0]
        try:
            OmegaConf.update(config, key, value)
        except Exception as error:
            raise AgeGenderError(f"{override.input_line}: the run in {folder} has no key {key}") from error
    plain: dict[str, Any] = OmegaConf.to_container(config)  # type: ignore[assignment]
    longer = plain["trainer"]["max_epochs"] != saved["trainer"]["max_epochs"]
    if longer and plain["schedule"]["_target_"].endswith(".OneCycle"):
        raise AgeGenderError("trainer.max_epochs: a one-cycle schedule has a fixed length; start a new run to change it")
    return {**plain, "resume": str(folder)}


def _moved(argument: PathArgument | None, path: Any) -> bool:
    """Whether an override names the same file or folder at another place."""
    if argument is None or not argument.path:
        return False
    return argument.kind != "file" or Path(str(path)).name == Path(argument.path).name
