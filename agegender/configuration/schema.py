"""Checks of a configuration against the constructors it names, before anything heavy is imported."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agegender.configuration.paper import by_split_problems, metric_problems
from agegender.configuration.paths import CONF
from agegender.configuration.sections import NAMED_OBJECTS, OBJECTS, SETTINGS, sections
from agegender.configuration.signatures import Parameter, conforms, describe, holds_object, mentioned, parameters, takes_object
from agegender.errors import AgeGenderError
from agegender.metrics.registry import monitors
from agegender.processes.ranks import STRATEGIES

Signature = Mapping[str, Parameter]
SET_LATER = ("save_dir",)  # of loggers: null in the configuration, the run directory in a run
GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ("experiment", "hydra"))
LOWEST = {  # allowed value, of settings that no constructor of this project checks
    "loader.batch_size": 1, "loader.num_workers": 0, "trainer.accumulate_grad_batches": 1, "trainer.log_every_n_steps": 0,
    "trainer.max_epochs": 1, "trainer.num_nodes": 1,
}  # fmt: skip
DEVICES = re.compile("auto|-1|[1-9][0-9]*|[0-9]+(,[0-9]*)+")
CHOICES = {  # names that Lightning would accept others of
    "trainer.profiler": ("simple", "pytorch"),
    "trainer.strategy": STRATEGIES,
}
NEEDED = {  # splits that have no use for zero batches
    "trainer.limit_train_batches": "the train split is needed to train",
    "trainer.limit_val_batches": "the validation split is needed to select the best epoch",
}


def validate(config: Mapping[str, Any]) -> None:
    """Checks keys, types, ranges and choices of a resolved training configuration.

    Args:
        config: With the keys of ``conf/train.yaml``.

    Raises:
        AgeGenderError: Lists every problem found, one a line, each with the key, its value and what is allowed.
    """
    settings = parameters(f"{SETTINGS}TrainSettings") or {}
    shapes = shape_problems(config, GROUPS)
    refuse(shapes)  # the other checks need every section
    problems = key_problems(config, settings, GROUPS, own_groups=True)
    problems += _init_problems(config) + _task_problems(config) + _limit_problems(config) + _paper_problems(config.get("paper"))
    problems += section_problems({key: value for key, value in config.items() if key not in settings})
    refuse(problems)


def validate_saved(config: Mapping[str, Any], file: Path) -> None:
    """Checks a configuration that was read from the file of a run, as ``validate`` does.

    Raises:
        AgeGenderError: Lists every problem found, one a line, each with the file.
    """
    try:
        validate(config)
    except AgeGenderError as error:
        raise AgeGenderError(*(f"{file}: {line}" for line in error.lines)) from error


def validate_faces(config: Mapping[str, Any]) -> None:
    """Checks keys, types, ranges and choices of a resolved configuration with the keys of ``conf/faces.yaml``.

    Raises:
        AgeGenderError: Lists every problem found, one a line.
    """
    settings, groups = parameters(f"{SETTINGS}FacesSettings") or {}, ("data", "loader", "split", "sampler", "augment")
    refuse(shape_problems(config, groups))
    refuse(key_problems(config, settings, groups) + _limit_problems(config) + section_problems(config))


def refuse(problems: Sequence[str]) -> None:
    """Raises an AgeGenderError that lists the problems, one a line, if there are any.

    A value that other settings take over by interpolation is reported once: of problems with the same last part of the key,
    the same value and the same allowed values, only the first is listed.
    """
    distinct: dict[str, str] = {}
    for problem in problems:
        key, equals, rest = problem.partition("=")
        distinct.setdefault(f"{key.rpartition('.')[2]}={rest}" if equals and ":" not in key else problem, problem)
    if distinct:
        raise AgeGenderError(*distinct.values())


def shape_problems(config: Mapping[str, Any], groups: Iterable[str]) -> list[str]:
    """Checks that every group of a resolved configuration is there and has the shape that it needs.

    Args:
        config: The configuration.
        groups: The names of its groups.

    Returns:
        Every problem found.
    """
    problems = []
    for group in groups:
        value = config.get(group)
        if group not in config:
            problems.append(f"{group}: missing")
        elif not isinstance(value, dict):
            problems.append(f"{group}={value}: expected a mapping")
        elif group in OBJECTS and not isinstance(value.get("_target_"), str):
            problems.append(f"{group}: expected a mapping with _target_, the path of a class")
    for key in NAMED_OBJECTS:
        outer, _, inner = key.partition(".")
        found = config.get(outer)
        objects = found.get(inner) if inner and isinstance(found, dict) else found
        if outer not in groups or not isinstance(found, dict):
            continue  # reported above
        if not isinstance(objects, dict):
            problems.append(f"{key}={objects}: expected a mapping of names to objects")
            continue
        problems += [
            f"{key}.{name}={value}: expected a mapping with _target_, the path of a class"
            for name, value in objects.items()
            if not (isinstance(value, dict) and isinstance(value.get("_target_"), str))
        ]
    return problems


def key_problems(config: Mapping[str, Any], settings: Signature, groups: Iterable[str], own_groups: bool = False) -> list[str]:
    """Checks the top level of a resolved configuration: unknown and missing keys, types, and ranges of values.

    Args:
        config: The configuration.
        settings: The keys outside groups.
        groups: The names of the groups.
        own_groups: Accept a mapping under an unknown key: it holds values that other settings refer to by interpolation.
            ``agegender.configuration.command.plain`` refuses one that nothing refers to.

    Returns:
        Every problem found.
    """
    problems = _argument_problems("", {key: value for key, value in config.items() if key in settings}, settings)
    ages, seed, size, known = config.get("age_range"), config.get("seed"), config.get("image_size"), {*settings, *groups}
    if isinstance(ages, list) and all(_is_number(age) for age in ages) and not (len(ages) == 2 and 0 <= ages[0] < ages[1]):
        problems.append(f"age_range={ages}: expected two ages in years, [lowest, highest], for example [0, 116]")
    if isinstance(seed, int) and not 0 <= seed < 2**32:
        problems.append(f"seed={seed}: expected an integer from 0 to {2**32 - 1}")
    if isinstance(size, int) and not 16 <= size <= 1024:
        problems.append(f"image_size={size}: expected 16 to 1024 pixels")
    own = [name for name in config if own_groups and isinstance(config[name], dict)]
    problems += [_unknown(str(name), sorted(known)) for name in config if name not in known and name not in own]
    return problems


def section_problems(config: Mapping[str, Any]) -> list[str]:
    """Checks every section of a resolved configuration against the class of which it holds the arguments.

    Returns:
        Every problem found.
    """
    checked = [section for section in sections(config) if section.signature is not None]
    return [problem for one in checked for problem in _argument_problems(one.key, one.arguments, one.signature or {})]


def _argument_problems(path: str, values: Mapping[str, Any], signature: Signature) -> list[str]:
    """Unknown and missing keys, and values that do not fit the annotation."""
    problems = []
    for name, value in values.items():
        key = f"{path}.{name}".lstrip(".")
        if name not in signature:
            problems.append(_unknown(key, list(signature)))
            continue
        parameter = signature[name]
        if holds_object(value) and not takes_object(parameter):
            problems.append(
                f"{key}={value}: expected {describe(parameter.annotation, parameter.module)}, and no _target_ in it"
            )
            continue
        built_later = (isinstance(value, dict) and "_target_" in value) or (value is None and name in SET_LATER)
        if not built_later and not conforms(value, parameter.annotation, parameter.module):
            problems.append(f"{key}={value}: expected {describe(parameter.annotation, parameter.module)}")
        elif not is_finite(value, "OrInfinite" in mentioned(parameter.annotation, parameter.module)):
            problems.append(f"{key}={value}: expected finite numbers")
    missing = [name for name, parameter in signature.items() if parameter.required and name not in values]
    return problems + [f"{path}.{name}: missing".lstrip(".") for name in missing]


def _unknown(key: str, known: Sequence[str]) -> str:
    return f"{key}: unknown key{did_you_mean(key.rpartition('.')[2], known)}. Allowed: {', '.join(known)}"


def _init_problems(config: Mapping[str, Any]) -> list[str]:
    """Weights from two places."""
    earlier, weights = config.get("init_from"), config["backbone"].get("weights")
    if earlier is None or weights is None:
        return []
    return [f"backbone.weights={weights}: not together with init_from, which loads the weights of the backbone too; use null"]


def _task_problems(config: Mapping[str, Any]) -> list[str]:
    tasks, monitor = config.get("tasks"), config.get("monitor")
    if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
        return []  # reported by its type
    problems = []
    if not tasks or len(set(tasks)) < len(tasks):
        problems.append(f"tasks={tasks}: allowed: [age,gender], [age], [gender]")
    keys = monitors(tasks, classes=True)  # whether the head has classes is checked when it is built
    prefix, _, key = str(monitor).rpartition("/")
    datasets = ["val", *(f"val/{name}" for name in (config.get("data") or {}).get("sources", {}))]
    if prefix not in datasets or key not in keys:
        problems.append(f"monitor={monitor}: with tasks={tasks} allowed: {', '.join(f'val/{key}' for key in keys)}")
    return problems


def _limit_problems(config: Mapping[str, Any]) -> list[str]:
    """Numbers of the loader and of Lightning's Trainer that are too small, and names that are not allowed."""
    devices, problems = config.get("trainer", {}).get("devices", "auto"), []
    if isinstance(devices, int | str) and not DEVICES.fullmatch(str(devices)):
        problems.append(f"trainer.devices={devices}: expected a number of 1 or more, a list of device numbers, -1 or auto")
    for key, lowest in LOWEST.items():
        section, _, name = key.partition(".")
        value = config.get(section, {}).get(name, lowest)
        if (isinstance(value, int) and value < lowest) or (value is None and key == "trainer.max_epochs"):
            problems.append(f"{key}={value}: expected an integer of {lowest} or more")
    for key, allowed in CHOICES.items():
        value = config.get("trainer", {}).get(key.partition(".")[2])
        if value is not None and value not in allowed:
            problems.append(f"{key}={value}: allowed: {', '.join(allowed)}")
    for key, reason in NEEDED.items():
        value = config.get("trainer", {}).get(key.partition(".")[2])
        if _is_number(value) and value <= 0:
            problems.append(f"{key}={value}: {reason}")
    return problems


def _paper_problems(paper: Any) -> list[str]:
    if not isinstance(paper, Mapping):
        return []
    problems = _argument_problems("paper", paper, parameters("agegender.configuration.paper.Paper") or {})
    problems += _block_problems("paper", paper)
    by_dataset = paper.get("by_dataset")
    for name, block in by_dataset.items() if isinstance(by_dataset, Mapping) else ():
        key = f"paper.by_dataset.{name}"
        if not isinstance(block, Mapping):
            problems.append(f"{key}={block}: expected a mapping with metrics and protocol")
            continue
        known = ("metrics", "protocol")
        problems += [_unknown(f"{key}.{one}", known) for one in block if one not in known]
        problems += _block_problems(key, block)
    return problems


def _block_problems(key: str, block: Mapping[str, Any]) -> list[str]:
    """What is wrong with ``metrics`` and ``protocol`` of a paper, or of one of its datasets."""
    protocol = block.get("protocol") or {}
    problems = metric_problems(block.get("metrics"), f"{key}.metrics")
    if isinstance(protocol, Mapping):
        problems += _argument_problems(f"{key}.protocol", protocol, parameters("agegender.configuration.paper.Protocol") or {})
        problems += by_split_problems(f"{key}.protocol.n", protocol.get("n"))
    return problems


def default_monitor(tasks: Sequence[str]) -> str:
    """The default of ``monitor``: the age distance, or the gender error without an age task."""
    gender_only = isinstance(tasks, Sequence) and "age" not in tasks  # a value of another type is reported by its key
    return "val/gender_error" if gender_only else "val/age_distance"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """``, did you mean NAME?`` where a known name is close to the given one, else nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]}?" if close else ""


def is_finite(value: Any, or_infinite: bool = False) -> bool:
    """Whether a plain value holds no number that is NaN or infinite, at any depth.

    Args:
        value: Plain and nested.
        or_infinite: Infinity is allowed.
    """
    if isinstance(value, Mapping):
        return all(is_finite(item, or_infinite) for item in value.values())
    if isinstance(value, list):
        return all(is_finite(item, or_infinite) for item in value)
    return not isinstance(value, float) or math.isfinite(value) or (or_infinite and not math.isnan(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
