"""Checks of a configuration against the constructors it names, before anything heavy is imported."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agegender.configuration.paper import by_split_problems, metric_problems
from agegender.configuration.paths import CONF
from agegender.configuration.sections import SETTINGS, sections
from agegender.configuration.signatures import Parameter, conforms, describe, parameters
from agegender.errors import AgeGenderError
from agegender.metrics.registry import monitors

Signature = Mapping[str, Parameter]
SET_LATER = ("save_dir",)  # of loggers: null in the configuration, the run directory in a run


def validate(config: Mapping[str, Any]) -> None:
    """Checks keys, types, ranges and choices of a resolved training configuration.

    Args:
        config: With the keys of ``conf/train.yaml``.

    Raises:
        AgeGenderError: Lists every problem found, one a line, each with the key, its value and what is allowed.
    """
    settings = parameters(f"{SETTINGS}TrainSettings") or {}
    problems = key_problems(config, settings, [path.name for path in CONF.iterdir() if path.is_dir()])
    problems += _task_problems(config) + _trainer_problems(config.get("trainer") or {}) + _paper_problems(config.get("paper"))
    problems += section_problems({key: value for key, value in config.items() if key not in settings})
    refuse(problems)


def validate_faces(config: Mapping[str, Any]) -> None:
    """Checks keys, types, ranges and choices of a resolved configuration with the keys of ``conf/faces.yaml``.

    Raises:
        AgeGenderError: Lists every problem found, one a line.
    """
    settings = parameters(f"{SETTINGS}FacesSettings") or {}
    refuse(key_problems(config, settings, ("data", "loader", "split", "sampler", "augment")) + section_problems(config))


def refuse(problems: Sequence[str]) -> None:
    """Raises an AgeGenderError that lists the problems, one a line, if there are any."""
    if problems:
        raise AgeGenderError("\n".join(problems))


def key_problems(config: Mapping[str, Any], settings: Signature, groups: Iterable[str]) -> list[str]:
    """Checks the top level of a resolved configuration: unknown and missing keys, types, and ranges of values.

    Args:
        config: A mapping under an unknown key is accepted, because it may be a group of the user's own.
        settings: The keys outside groups.
        groups: The names of the groups.

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
    problems += [_unknown(name, sorted(known)) for name in config if name not in known and not isinstance(config[name], dict)]
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
        built_later = (isinstance(value, dict) and "_target_" in value) or (value is None and name in SET_LATER)
        if not built_later and not conforms(value, parameter.annotation, parameter.module):
            problems.append(f"{key}={value}: expected {describe(parameter.annotation, parameter.module)}")
    missing = [name for name, parameter in signature.items() if parameter.required and name not in values]
    return problems + [f"{path}.{name}: missing".lstrip(".") for name in missing]


def _unknown(key: str, known: Sequence[str]) -> str:
    return f"{key}: unknown key{did_you_mean(key.rpartition('.')[2], known)}. Allowed: {', '.join(known)}"


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


def _trainer_problems(trainer: Mapping[str, Any]) -> list[str]:
    problems, epochs = [], trainer.get("max_epochs")
    if isinstance(epochs, int | None) and (epochs or 0) < 1:
        problems.append(f"trainer.max_epochs={epochs}: expected an integer of 1 or more")
    if trainer.get("limit_val_batches") == 0:
        problems.append("trainer.limit_val_batches=0: the validation split is needed to select the best epoch")
    return problems


def _paper_problems(paper: Any) -> list[str]:
    if not isinstance(paper, Mapping):
        return []
    protocol = paper.get("protocol") or {}
    problems = _argument_problems("paper", paper, parameters("agegender.configuration.paper.Paper") or {})
    if isinstance(protocol, Mapping):
        problems += _argument_problems("paper.protocol", protocol, parameters("agegender.configuration.paper.Protocol") or {})
        problems += by_split_problems("paper.protocol.n", protocol.get("n"))
    return problems + metric_problems(paper.get("metrics"))


def default_monitor(tasks: Sequence[str]) -> str:
    """The default of ``monitor``: the age distance, or the gender error without an age task."""
    return "val/age_distance" if "age" in tasks else "val/gender_error"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """``, did you mean NAME?`` where a known name is close to the given one, else nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]}?" if close else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
