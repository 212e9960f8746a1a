"""Settings of earlier versions, so that runs made by them can still be resumed, evaluated and compared."""

from collections.abc import Mapping
from typing import Any

MODULES = {  # earlier module: today's
    "agegender.sources.toyfaces": "agegender.sources.toyfaces.source",
    "agegender.training.finetune": "agegender.training.finetuning.stages",
    "agegender.training.wandb_logging": "agegender.training.loggers.wandb",
}


def current(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a training configuration with today's class paths and settings."""
    return _with_num_nodes(with_current_targets(config))


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


def _with_num_nodes(config: dict[str, Any]) -> dict[str, Any]:
    """Earlier versions recorded ``trainer.num_nodes`` only for jobs of several processes."""
    trainer = config.get("trainer")
    return {**config, "trainer": {"num_nodes": 1, **trainer}} if isinstance(trainer, dict) else config
