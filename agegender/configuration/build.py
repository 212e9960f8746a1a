"""Builds objects from plain configuration, of allowed classes only.

Run directories and checkpoints are passed on between people, and their configuration names classes. Each name is therefore
checked against the allowed packages of its section before anything is imported, and it must be a class that is defined in one
of them: a path through the imports of a module, such as ``agegender.sources.images.os.system``, is refused.
"""

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from textwrap import shorten
from typing import Any

from agegender.configuration.signatures import holds_object, parameters, takes_object
from agegender.errors import AgeGenderError

# Allowed packages of each section; classes of lightning by their public names only.
PACKAGES = {
    "backbone": ("agegender.models.",),
    "head": ("agegender.heads.",),
    "gender_head": ("agegender.heads.",),
    "trunk": ("agegender.models.layers.",),
    "tower": ("agegender.models.layers.",),
    "balance": ("agegender.training.balance.",),
    "optimizer": ("agegender.training.optimizers.",),
    "schedule": ("agegender.training.schedules.",),
    "data": ("agegender.sources.",),
    "split": ("agegender.data.",),
    "sampler": ("agegender.data.sampler.",),
    "augment": ("agegender.data.augment.",),
    "callbacks": ("agegender.training.", "lightning.pytorch.callbacks."),
    "logger": ("agegender.training.", "lightning.pytorch.loggers."),
    "hydra": ("optuna.samplers.", "optuna.pruners."),
}
LAYERS = {
    f"torch.nn.{name}"
    for names in (
        ("LazyLinear", "LazyConv2d", "LazyBatchNorm1d", "LazyBatchNorm2d", "LayerNorm", "Flatten"),
        ("AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d", "Dropout", "Dropout2d", "AlphaDropout"),
        ("ReLU", "ReLU6", "ELU", "SELU", "GELU", "SiLU", "Hardswish", "LeakyReLU", "Sigmoid", "Tanh", "Identity"),
    )
    for name in names
}


LAYERED = ("trunk", "tower")


def build(config: Any, key: str) -> Any:
    """Builds the objects of a plain nested configuration, innermost first.

    Args:
        config: Dictionaries, lists and scalars. A dictionary with ``_target_`` becomes an object of that class; its other
            entries are the arguments of the constructor. Other values are returned unchanged.
        key: Dotted key of the configuration, such as ``head`` or ``trunk.layers``. Its first part decides which classes are
            allowed.

    Raises:
        AgeGenderError: A class is not allowed, its constructor rejects the arguments, or an argument holds an object
            although its annotation names no class.
    """
    if isinstance(config, Mapping):
        if "_target_" in config:
            _require_known_objects(config, key)
        built = {name: build(value, f"{key}.{name}".lstrip(".")) for name, value in config.items() if name != "_target_"}
        if "_target_" not in config:
            return built
        target = _allowed_class(config["_target_"], key)
        try:
            return target(**built)
        except AgeGenderError:
            raise
        except Exception as error:  # a constructor may raise anything
            reason = shorten(str(error), 300, placeholder=" ...") or type(error).__name__
            raise AgeGenderError(f"{key}: {config['_target_']} rejects its arguments: {reason}") from error
    if isinstance(config, Sequence) and not isinstance(config, str):
        return [build(value, f"{key}.{index}") for index, value in enumerate(config)]
    return config


def _require_known_objects(config: Mapping[str, Any], key: str) -> None:
    """Refuses objects in arguments that are plain values: no constructor needs one there, so it may be an attack."""
    signature = parameters(str(config["_target_"])) or {}
    for name, value in config.items():
        if holds_object(value) and not (name in signature and takes_object(signature[name])):
            raise AgeGenderError(f"{key}.{name}: must be plain values, without _target_")


def _allowed_class(path: Any, key: str) -> type:
    packages = PACKAGES.get(key.split(".")[0], ())
    layer = path in LAYERS and key.startswith(LAYERED)
    module, _, name = path.rpartition(".") if isinstance(path, str) else ("", "", "")
    home = next((p for p in packages if f"{module}.".startswith(p)), None)
    if not layer and (home is None or (home.startswith("lightning.") and f"{module}." != home)):
        allowed = [f"classes of {package}*" for package in packages]
        allowed += [", ".join(sorted(LAYERS))] if key.startswith(LAYERED) else []
        raise AgeGenderError(f"{key}: refusing to instantiate {path!r}. Allowed: {'; '.join(allowed) or 'no class'}")
    try:
        target = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise AgeGenderError(f"{key}: there is no class {path!r} ({error})") from error
    if not inspect.isclass(target) or not f"{target.__module__}.".startswith(home or "torch.nn."):
        raise AgeGenderError(f"{key}: {path!r} is not a class of {home}*")
    return target
