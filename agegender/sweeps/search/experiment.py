"""The best point of a search as an experiment file, in place of its overrides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

FOLDER = "experiment"  # below the sweep directory: a group of Hydra must be a folder


def write_experiment(overrides: Sequence[str], loader: Any, sweep: Path, comment: str) -> list[str]:
    """Writes ``experiment/best.yaml`` into a sweep directory.

    Args:
        overrides: Of the best job, as on the command line.
        loader: Hydra's configuration loader, which knows the groups.
        sweep: The sweep directory.
        comment: The first line of the file.

    Returns:
        The arguments that train it again. Deletions of keys are among them, because a file cannot have them.
    """
    defaults: list[Any] = []
    settings: dict[str, Any] = {}
    deletions = []
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(overrides)):
        key, value = override.key_or_group, override.value()
        if override.is_delete():
            deletions.append(str(override.input_line))
        elif key == FOLDER:
            defaults[:0] = value if isinstance(value, list) else [value]
        elif loader.get_group_options(key):
            defaults.append({f"{'' if override.is_add() else 'override '}/{key}": value})
        else:
            *outer, name = key.split(".")
            section = settings
            for part in outer:
                section = section.setdefault(part, {})
            section[name] = value
    file = sweep / FOLDER / "best.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    again = ["--config-dir", str(sweep), f"{FOLDER}=best", *deletions]
    content = yaml.safe_dump({"defaults": [*defaults, "_self_"], **settings}, sort_keys=False, allow_unicode=True)
    partial = file.with_name(".best.yaml.partial")
    partial.write_text(
        f"# @package _global_\n# {comment}\n# To train it: python -m agegender.train {' '.join(again)}\n{content}"
    )
    partial.replace(file)
    return again
