"""What a configuration may hold, checked against constructors before anything heavy is imported."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agegender.configuration.paper import by_split_problems, metric_problems
from agegender.configuration.paths import CONF
from agegender.configuration.signatures import Parameter, conforms, describe, parameters
from agegender.errors import AgeGenderError
from agegender.metrics.registry import monitors


@dataclass
class Settings:
    """The top-level scalars of a training run; each is described in ``conf/train.yaml``."""

    seed: int
    image_size: int
    age_range: Sequence[float]
    tasks: Sequence[Literal["age", "gender"]]
    pool: Literal["avg", "flatten", "none"]
    compile: bool
    monitor: str
    resume: str | None
    test: bool
    name: str | None = None
    paper: Mapping[str, Any] | None = None


@dataclass
class DataSettings:
    """What every choice of ``data`` says beside its sources and where they lie."""

    duplicates: Literal["keep", "drop_conflicting", "drop"]
    missing: Literal["error", "skip"]
    pretrained: bool
    image_size: int
    near_copies: int | None = None
    damaged: Literal["skip", "keep"] = "keep"


@dataclass
class TrunkSettings:
    """Layers between pooling and towers."""

    layers: Sequence[dict]


@dataclass
class TowerSettings:
    """Layers of one task alone."""

    age: Sequence[dict]
    gender: Sequence[dict]


Signature = Mapping[str, Parameter]

# Sections without a _target_: the class of which they are arguments, and its arguments that the commands set themselves.
SECTIONS: dict[str, tuple[str, Sequence[str]]] = {
    "data": ("agegender.configuration.schema.DataSettings", ()),
    "trainer": (
        "lightning.pytorch.Trainer",
        ("callbacks", "logger", "default_root_dir", "enable_checkpointing", "enable_progress_bar", "enable_model_summary",
         "use_distributed_sampler", "barebones", "fast_dev_run", "max_steps", "min_steps", "max_time"),
    ),
    "loader": (
        "agegender.data.datamodule.FaceDataModule",
        ("sources", "split", "sampler", "augment", "image_size", "age_range", "duplicates", "near_copies", "damaged", "tasks",
         "seed", "progress"),
    ),
    "trunk": ("agegender.configuration.schema.TrunkSettings", ()),
    "tower": ("agegender.configuration.schema.TowerSettings", ()),
}  # fmt: skip
OPEN = ("data",)  # sections that may have other keys, which their own sources use
SET_LATER = ("save_dir",)  # of loggers: null in the configuration, the run directory in a run


def validate(config: Mapping[str, Any]) -> None:
    """Checks names, types and choices of a resolved training configuration against the constructors it names.

    Raises:
        AgeGenderError: Lists every fault found, one a line, each with the key, its value and what is allowed.
    """
    settings = parameters("agegender.configuration.schema.Settings") or {}
    problems = key_problems(config, settings, [path.name for path in CONF.iterdir() if path.is_dir()])
    problems += _check_settings(config)
    _check_paper(config.get("paper"), problems)
    problems += section_problems({k: v for k, v in config.items() if k not in settings})
    if problems:
        raise AgeGenderError("\n".join(problems))


def validate_targets(config: Mapping[str, Any]) -> None:
    """Checks every section of a resolved configuration against the class of which it holds the arguments.

    Raises:
        AgeGenderError: Lists every problem found.
    """
    if problems := section_problems(config):
        raise AgeGenderError("\n".join(problems))


def key_problems(config: Mapping[str, Any], settings: Signature, groups: Sequence[str]) -> list[str]:
    """Checks the top level of a resolved configuration: unknown and missing keys, types, and ranges of values.

    Args:
        config: A mapping under an unknown key is accepted, because it may be a group of the user's own.
        settings: The keys outside groups.
        groups: The names of the groups.

    Returns:
        Every problem found.
    """
    problems: list[str] = []
    _check("", {key: value for key, value in config.items() if key in settings}, settings, problems)
    ages, seed, known = config.get("age_range"), config.get("seed"), sorted({*settings, *groups})
    if isinstance(ages, list) and all(_is_number(age) for age in ages) and not (len(ages) == 2 and 0 <= ages[0] < ages[1]):
        problems.append(f"age_range={ages}: expected two ages in years, [lowest, highest], for example [0, 116]")
    if isinstance(seed, int) and not 0 <= seed < 2**32:
        problems.append(f"seed={seed}: expected an integer from 0 to {2**32 - 1}")
    problems += [
        f"{name}: unknown key{did_you_mean(name, known)}. Allowed: {', '.join(known)}"
        for name, value in config.items()
        if name not in known and not isinstance(value, dict)
    ]
    return problems


def section_problems(config: Mapping[str, Any]) -> list[str]:
    """Checks every section of a resolved configuration, and returns every problem found."""
    problems: list[str] = []
    for key, values, signature in signed_sections(config):
        known = {name: value for name, value in values.items() if name in signature or key not in OPEN}
        _check(key, known, signature, problems)
    return problems


def signed_sections(config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], Signature]]:
    """The sections of a configuration that hold the arguments of one class, outer sections first.

    Yields:
        The dotted key of the section, its mapping, and the constructor arguments of its class. A class with a constructor that
        cannot be read from source is left out.
    """
    for name, (target, given) in SECTIONS.items():
        if name in config and (signature := parameters(target)) is not None:
            yield name, config[name] or {}, {key: value for key, value in signature.items() if key not in given}
    for name, value in config.items():
        yield from _signed_targets(name, value)


def _signed_targets(path: str, value: Any) -> Iterator[tuple[str, dict[str, Any], Signature]]:
    if isinstance(value, dict):
        target = value.get("_target_")
        if isinstance(target, str) and (signature := parameters(target)) is not None:
            yield path, value, signature
        for name, item in value.items():
            yield from _signed_targets(f"{path}.{name}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _signed_targets(f"{path}.{index}", item)


def _check_settings(config: Mapping[str, Any]) -> list[str]:
    problems = []
    tasks, size = config.get("tasks"), config.get("image_size")
    if not (isinstance(tasks, list) and tasks and len(set(tasks)) == len(tasks)):
        problems.append(f"tasks={tasks}: allowed: [age,gender], [age], [gender]")
    if isinstance(tasks, list) and all(isinstance(task, str) for task in tasks):
        keys = monitors(tasks, classes=True)  # whether the head has classes is checked when it is built
        prefix, _, key = str(config.get("monitor")).rpartition("/")
        datasets = ["val", *(f"val/{name}" for name in (config.get("data") or {}).get("sources", {}))]
        if prefix not in datasets or key not in keys:
            allowed = ", ".join(f"val/{key}" for key in keys)
            problems.append(f"monitor={config.get('monitor')}: with tasks={tasks} allowed: {allowed}")
    if not (isinstance(size, int) and 16 <= size <= 1024):
        problems.append(f"image_size={size}: expected pixels between 16 and 1024")
    trainer = config.get("trainer") or {}
    if isinstance(trainer.get("max_epochs"), int | None) and (trainer.get("max_epochs") or 0) < 1:
        problems.append(f"trainer.max_epochs={trainer.get('max_epochs')}: expected an integer of 1 or more")
    if trainer.get("limit_val_batches") == 0:
        problems.append("trainer.limit_val_batches=0: the best epoch is chosen on the validation part")
    return problems


def _check_paper(paper: Any, problems: list[str]) -> None:
    if not isinstance(paper, Mapping):
        return
    protocol = paper.get("protocol") or {}
    _check("paper", paper, parameters("agegender.configuration.paper.Paper") or {}, problems)
    if isinstance(protocol, Mapping):
        _check("paper.protocol", protocol, parameters("agegender.configuration.paper.Protocol") or {}, problems)
        problems += by_split_problems("paper.protocol.n", protocol.get("n"))
    problems += metric_problems(paper.get("metrics"))


def default_monitor(tasks: Sequence[str]) -> str:
    """The default of ``monitor``: the age distance, or the gender error without an age task."""
    return "val/age_distance" if "age" in tasks else "val/gender_error"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(path: str, values: Mapping[str, Any], signature: Signature, problems: list[str]) -> None:
    for name, value in values.items():
        key = f"{path}.{name}".lstrip(".")
        if name == "_target_" or (value is None and name in SET_LATER):
            continue
        if name not in signature:
            problems.append(f"{key}: unknown key{did_you_mean(name, signature)}. Allowed: {', '.join(signature)}")
            continue
        parameter = signature[name]
        built_later = isinstance(value, dict) and "_target_" in value
        if not built_later and not conforms(value, parameter.annotation, parameter.module):
            problems.append(f"{key}={value}: expected {describe(parameter.annotation, parameter.module)}")
    problems += [
        f"{path}.{name}".lstrip(".") + ": missing" for name, p in signature.items() if p.required and name not in values
    ]


def did_you_mean(name: str, known: Any) -> str:
    """``, did you mean NAME?`` where a known name is close to the given one, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
