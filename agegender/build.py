"""Objects from plain configuration, from a closed list of classes only.

Run directories and checkpoints travel between people, and their configuration names classes. A name is therefore
looked up against a list before anything is imported, and what it leads to must be a class of that very package: a path
through a module's own imports (``agegender.sources.images.os.system``) leads nowhere.
"""

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from agegender.errors import AgeGenderError

PACKAGES = ("agegender.", "lightning.pytorch.callbacks.", "lightning.pytorch.loggers.")
LAYERS = {
    f"torch.nn.{name}"
    for names in (
        ("LazyLinear", "LazyConv2d", "LazyBatchNorm1d", "LazyBatchNorm2d", "LayerNorm", "Flatten"),
        ("AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d", "Dropout", "Dropout2d", "AlphaDropout"),
        ("ReLU", "ReLU6", "ELU", "SELU", "GELU", "SiLU", "Hardswish", "LeakyReLU", "Sigmoid", "Tanh", "Identity"),
    )
    for name in names
}


def build(config: Any, key: str = "") -> Any:
    """Instantiates every ``_target_`` in a plain nested configuration, innermost first.

    Args:
        config: Dictionaries, lists and scalars; a dictionary with ``_target_`` becomes an object of that class, its
            other entries being the constructor's arguments. Anything else is returned as it is.
        key: Where the configuration stands, for messages (``head``, ``trunk.layers``).

    Raises:
        AgeGenderError: A target is not on the list, or its constructor refuses the arguments.
    """
    if isinstance(config, Mapping):
        built = {name: build(value, f"{key}.{name}".lstrip(".")) for name, value in config.items() if name != "_target_"}
        if "_target_" not in config:
            return built
        target = _allowed_class(config["_target_"], key)
        try:
            return target(**built)
        except TypeError as error:
            raise AgeGenderError(f"{key}: {config['_target_']} refuses its arguments: {error}") from error
    if isinstance(config, Sequence) and not isinstance(config, str):
        return [build(value, f"{key}.{index}") for index, value in enumerate(config)]
    return config


def _allowed_class(path: Any, key: str) -> type:
    if not isinstance(path, str) or not (path in LAYERS or path.startswith(PACKAGES)):
        layers = ", ".join(sorted(name.removeprefix("torch.nn.") for name in LAYERS))
        raise AgeGenderError(
            f"{key}: refusing to instantiate {path!r}. Allowed are classes of {', '.join(p + '*' for p in PACKAGES)} "
            f"and these layers of torch.nn: {layers}"
        )
    module, _, name = path.rpartition(".")
    try:
        target = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise AgeGenderError(f"{key}: there is no class {path!r} ({error})") from error
    home = next(prefix for prefix in (*PACKAGES, "torch.nn.") if path.startswith(prefix))
    if not inspect.isclass(target) or not f"{target.__module__}.".startswith(home):
        raise AgeGenderError(f"{key}: {path!r} is not a class of {home}*")
    return target
