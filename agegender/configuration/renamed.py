"""Settings of earlier versions, so that runs made by them can still be resumed, evaluated and compared."""

from collections.abc import Mapping
from typing import Any

MODULES = {  # earlier module: today's
    "agegender.sources.toyfaces": "agegender.sources.toyfaces.source",
    "agegender.training.finetune": "agegender.training.finetuning.stages",
    "agegender.training.wandb_logging": "agegender.training.loggers.wandb",
}
ADIENCE = "agegender.sources.adience.Adience"


def current(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a training configuration with today's class paths and settings."""
    return _with_folds(_with_num_nodes(with_current_targets(config)))


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


def _with_folds(config: dict[str, Any]) -> dict[str, Any]:
    """Adience's ``test_fold`` of earlier versions as ``split=folds``, which assigns the same faces to the same splits."""
    data, split = ({} if not isinstance(config.get(key), dict) else config[key] for key in ("data", "split"))
    sources = data.get("sources")
    alone = list(sources.values()) if isinstance(sources, dict) and len(sources) == 1 else []
    if not (alone and isinstance(alone[0], dict) and alone[0].get("_target_") == ADIENCE and "test_fold" in alone[0]):
        return config
    data.pop("test_fold", None)
    fold = alone[0].pop("test_fold")
    if fold is not None:
        train, val, _ = split["fractions"]
        folds = {"number": fold, "count": 5, "val_fraction": val / (train + val), "seed": split["seed"]}
        config["split"] = {"_target_": "agegender.data.folds.Folds", **folds}
    return config
