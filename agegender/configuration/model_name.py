"""Short names for what a configuration trains."""

from collections.abc import Mapping
from typing import Any


def part_name(config: Mapping[str, Any], section: str) -> str | None:
    """Name of a section, such as ``mobilenetv2_100``; else its class, such as ``DLDL``; None without such a section."""
    part = config.get(section)
    if not isinstance(part, Mapping):
        return None
    return str(part.get("name") or str(part.get("_target_", "")).rpartition(".")[2])


def model_name(config: Mapping[str, Any]) -> str:
    """Backbone and age head, for example ``mobilenetv2_100 DLDL``."""
    return " ".join(name for section in ("backbone", "head") if (name := part_name(config, section)))
