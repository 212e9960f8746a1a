"""What is allowed in place of the unknown keys of a command line."""

import os
import sys
from typing import Any

from agegender.configuration.paths import CONF
from agegender.configuration.schema import did_you_mean
from agegender.errors import AgeGenderError


def explain(name: str, arguments: list[str]) -> None:
    """Prints the allowed keys for each override with an unknown key."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    overrides = [a for a in arguments if "=" in a and not a.startswith(("-", "+", "hydra"))]
    groups = [a for a in overrides if os.path.isdir(CONF / a.partition("=")[0])]
    keys = [a.partition("=")[0].lstrip("~") for a in overrides if a not in groups]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            # Hydra composes a sweep first without what it varies, then each job.
            first, job = (
                OmegaConf.to_container(hydra_compose(name, chosen))
                for chosen in ([a for a in groups if "," not in a], [a.partition(",")[0] for a in groups])
            )
        except Exception:  # an unknown choice: Hydra has listed the choices of the group
            return
    for key in keys:
        if unknown := _unknown_part(job, key):
            where, part, allowed = unknown
            message = (
                f"{where or 'the configuration'} has no {part!r}{did_you_mean(part, allowed)}. Allowed: {', '.join(allowed)}"
            )
            print(AgeGenderError(message), file=sys.stderr)
        elif _unknown_part(first, key):
            message = (
                f"the default choices of the groups that this sweep varies have no {key}: write ++{key}=... for all its jobs"
            )
            print(AgeGenderError(message), file=sys.stderr)


def _unknown_part(config: Any, key: str) -> tuple[str, str, list[str]] | None:
    """The first part of a dotted key that a configuration lacks, after the mapping that lacks it and before its keys."""
    where: list[str] = []
    for part in key.split("."):
        if isinstance(config, dict) and part not in config:
            return ".".join(where), part, list(config)
        config = config.get(part) if isinstance(config, dict) else None
        where.append(part)
    return None
