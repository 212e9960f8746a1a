"""Class paths of earlier versions, so that runs made by them can still be resumed, evaluated and compared."""

from collections.abc import Mapping
from typing import Any

MODULES = {  # earlier module: today's
    "agegender.sources.toyfaces": "agegender.sources.toyfaces.source",
    "agegender.training.finetune": "agegender.training.finetuning.stages",
    "agegender.training.wandb_logging": "agegender.training.loggers.wandb",
}


def with_current_targets(config: Any) -> Any:
    """A copy of a plain nested configuration in which every ``_target_`` of an earlier version has today's path."""
    if isinstance(config, Mapping):
        return {key: _current(value) if key == "_target_" else with_current_targets(value) for key, value in config.items()}
    if isinstance(config, list):
        return [with_current_targets(item) for item in config]
    return config


def _current(target: Any) -> Any:
    module, _, name = target.rpartition(".") if isinstance(target, str) else ("", "", "")
    return f"{MODULES[module]}.{name}" if module in MODULES else target
