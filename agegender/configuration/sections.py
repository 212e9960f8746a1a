"""The sections of a configuration: mappings that hold the constructor arguments of one class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agegender.configuration.signatures import Parameter, parameters

SETTINGS = "agegender.configuration.settings."
# Sections without a _target_: the class of which they hold arguments, and its arguments that the commands set themselves.
UNNAMED: dict[str, tuple[str, Sequence[str]]] = {
    "data": (f"{SETTINGS}DataSettings", ()),
    "trainer": (
        "lightning.pytorch.Trainer",
        ("callbacks", "logger", "default_root_dir", "enable_checkpointing", "enable_progress_bar", "enable_model_summary",
         "use_distributed_sampler", "barebones", "fast_dev_run", "max_steps", "min_steps", "max_time"),
    ),
    "loader": (
        "agegender.data.datamodule.FaceDataModule",
        ("sources", "split", "sampler", "augment", "image_size", "age_range", "duplicates", "near_copies", "damaged", "crops",
         "exclude", "tasks", "seed", "progress"),
    ),
    "trunk": (f"{SETTINGS}TrunkSettings", ()),
    "tower": (f"{SETTINGS}TowerSettings", ()),
}  # fmt: skip

# Sections that are one object, and mappings of names to objects.
OBJECTS = ("backbone", "head", "gender_head", "balance", "optimizer", "schedule", "split", "sampler", "augment")
NAMED_OBJECTS = ("data.sources", "callbacks", "finetune", "logger")


@dataclass(frozen=True)
class Section:
    """One section of a configuration.

    Args:
        key: Its dotted key, such as ``data.sources.utkface``.
        target: Dotted path of the class.
        values: Its mapping in the configuration, with ``_target_`` if the section names its class.
        signature: The arguments that the class takes from the configuration; None where its constructor cannot be read.
    """

    key: str
    target: str
    values: dict[str, Any]
    signature: Mapping[str, Parameter] | None

    @property
    def arguments(self) -> dict[str, Any]:
        """The values without ``_target_``; in ``data`` only those that every dataset has, since a dataset may add its own."""
        known = self.signature or {}
        return {
            name: value for name, value in self.values.items() if name != "_target_" and (name in known or self.key != "data")
        }


def sections(config: Mapping[str, Any]) -> Iterator[Section]:
    """Every section of a plain configuration, outer sections first; nothing is imported."""
    for name, (target, given) in UNNAMED.items():
        if name in config:
            signature = parameters(target)
            taken = None if signature is None else {key: value for key, value in signature.items() if key not in given}
            yield Section(name, target, config[name] or {}, taken)
    for name, value in config.items():
        yield from _named(name, value)


def _named(key: str, value: Any) -> Iterator[Section]:
    if isinstance(value, dict):
        if isinstance(target := value.get("_target_"), str):
            yield Section(key, target, value, parameters(target))
        for name, item in value.items():
            yield from _named(f"{key}.{name}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _named(f"{key}.{index}", item)
