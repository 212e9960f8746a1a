"""The configuration: where it lies, what its top level holds, and how it is checked before anything heavy is imported."""

import contextlib
import difflib
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agegender import processes
from agegender.errors import AgeGenderError
from agegender.paper import by_part_problems, figure_problems
from agegender.signatures import Parameter, conforms, describe, parameters

PACKAGE = Path(__file__).resolve().parent
# A checkout has conf/ beside the package; the wheel carries a copy inside it.
CONF = next(path for path in (PACKAGE / "conf", PACKAGE.parent / "conf") if (path / "train.yaml").is_file())

log = logging.getLogger(__name__)


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


# Figures of a validation that are better when smaller, for each task.
MONITORS = {"age": ("age_distance", "age_mae", "age_rmse", "age_class_error"), "gender": ("gender_error",)}


@dataclass
class TrunkSettings:
    """Layers between pooling and towers."""

    layers: Sequence[dict]


@dataclass
class TowerSettings:
    """Layers of one task alone."""

    age: Sequence[dict]
    gender: Sequence[dict]


# Sections that are plain arguments of one class, which is therefore their schema.
SECTIONS = {
    "trainer": "lightning.pytorch.Trainer",
    "loader": "agegender.data.datamodule.FaceDataModule",
    "trunk": "agegender.config.TrunkSettings",
    "tower": "agegender.config.TowerSettings",
}
# Arguments of the Trainer that the commands give themselves.
TAKEN = ("callbacks", "logger", "default_root_dir", "enable_checkpointing", "enable_progress_bar", "enable_model_summary",
         "use_distributed_sampler", "barebones", "fast_dev_run", "max_steps", "min_steps", "max_time")  # fmt: skip


def validate(config: Mapping[str, Any]) -> None:
    """Checks names, types and choices of a resolved training configuration against the constructors it names.

    Raises:
        AgeGenderError: Lists every fault found, one a line, each with the key, its value and what is allowed.
    """
    problems: list[str] = []
    settings = parameters("agegender.config.Settings") or {}
    _check("", {k: v for k, v in config.items() if k in settings}, settings, problems, complete=True)
    problems += _check_settings(config)
    _check_paper(config.get("paper"), problems)
    validate_targets({k: v for k, v in config.items() if k not in settings}, problems)


def validate_targets(config: Mapping[str, Any], problems: Sequence[str] = ()) -> None:
    """Checks the sections of a resolved configuration: those with a ``_target_`` and those that are one class's arguments.

    Raises:
        AgeGenderError: Lists the given problems and every fault found.
    """
    problems = list(problems)
    data, known = config.get("data") or {}, parameters("agegender.config.DataSettings") or {}
    _check("data", {name: data[name] for name in known if name in data}, known, problems, complete=True)
    for name, target in SECTIONS.items():
        known = {key: value for key, value in (parameters(target) or {}).items() if name != "trainer" or key not in TAKEN}
        _check(name, config.get(name) or {}, known, problems)
    for name, value in config.items():
        _check_targets(name, value, problems)
    if problems:
        raise AgeGenderError("\n".join(problems))


def _check_settings(config: Mapping[str, Any]) -> list[str]:
    problems = []
    ages, tasks, size = config.get("age_range"), config.get("tasks"), config.get("image_size")
    if not (isinstance(ages, list) and len(ages) == 2 and all(_is_number(a) for a in ages) and 0 <= ages[0] < ages[1]):
        problems.append(f"age_range={ages}: expected two ages in years, [lowest, highest], such as [0, 116]")
    if not (isinstance(tasks, list) and tasks and len(set(tasks)) == len(tasks)):
        problems.append(f"tasks={tasks}: allowed: [age,gender], [age], [gender]")
    if isinstance(tasks, list) and all(isinstance(task, str) for task in tasks):
        figures = ["loss", *(f"{task}_loss" for task in tasks), *(name for t in tasks for name in MONITORS.get(t, ()))]
        if "edges" not in (config.get("head") or {}):
            figures = [figure for figure in figures if figure != "age_class_error"]  # needs a head with classes
        prefix, _, figure = str(config.get("monitor")).rpartition("/")
        datasets = ["val", *(f"val/{name}" for name in (config.get("data") or {}).get("sources", {}))]
        if prefix not in datasets or figure not in figures:
            allowed = ", ".join(f"val/{name}" for name in figures)
            problems.append(f"monitor={config.get('monitor')}: with tasks={tasks} allowed: {allowed}")
    if not (isinstance(size, int) and 16 <= size <= 1024):
        problems.append(f"image_size={size}: expected pixels between 16 and 1024")
    if not (isinstance(config.get("seed"), int) and 0 <= config["seed"] < 2**32):
        problems.append(f"seed={config.get('seed')}: expected a whole number from 0 to {2**32 - 1}")
    trainer = config.get("trainer") or {}
    if isinstance(trainer.get("max_epochs"), int | None) and (trainer.get("max_epochs") or 0) < 1:
        problems.append(f"trainer.max_epochs={trainer.get('max_epochs')}: expected a whole number of epochs, 1 or more")
    if trainer.get("limit_val_batches") == 0:
        problems.append("trainer.limit_val_batches=0: the best epoch is chosen on the validation part")
    known = {*(parameters("agegender.config.Settings") or {}), *(path.name for path in CONF.iterdir() if path.is_dir())}
    problems += [
        f"{name}: unknown key{_did_you_mean(name, known)}. Allowed: {', '.join(sorted(known))}"
        for name, value in config.items()
        if name not in known and not isinstance(value, dict)  # a group of one's own is a mapping
    ]
    return problems


def _check_paper(paper: Any, problems: list[str]) -> None:
    if not isinstance(paper, Mapping):
        return
    protocol = paper.get("protocol") or {}
    _check("paper", paper, parameters("agegender.paper.Paper") or {}, problems, complete=True)
    if isinstance(protocol, Mapping):
        _check("paper.protocol", protocol, parameters("agegender.paper.Protocol") or {}, problems)
        problems += by_part_problems("paper.protocol.n", protocol.get("n"))
    problems += figure_problems(paper.get("figures"))


def default_monitor(tasks: Sequence[str]) -> str:
    """The figure that decides when nobody says otherwise: the age distance, or the gender error without an age task."""
    return "val/age_distance" if "age" in tasks else "val/gender_error"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_targets(path: str, value: Any, problems: list[str]) -> None:
    """Walks a section and checks each ``_target_`` whose constructor can be read from source."""
    if isinstance(value, Mapping):
        target = value.get("_target_")
        if isinstance(target, str) and (signature := parameters(target)) is not None:
            _check(path, {k: v for k, v in value.items() if k != "_target_"}, signature, problems, complete=True)
        for name, item in value.items():
            _check_targets(f"{path}.{name}", item, problems)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_targets(f"{path}.{index}", item, problems)


def _check(
    path: str, values: Mapping[str, Any], signature: Mapping[str, Parameter], problems: list[str], complete: bool = False
) -> None:
    for name, value in values.items():
        key = f"{path}.{name}".lstrip(".")
        if name not in signature:
            problems.append(f"{key}: unknown key{_did_you_mean(name, signature)}. Allowed: {', '.join(signature)}")
            continue
        parameter = signature[name]
        built_later = isinstance(value, dict) and "_target_" in value
        if not built_later and not conforms(value, parameter.annotation, parameter.module):
            problems.append(f"{key}={value}: expected {describe(parameter.annotation, parameter.module)}")
    if complete:
        problems += [
            f"{path}.{name}".lstrip(".") + ": missing" for name, p in signature.items() if p.required and name not in values
        ]


def _did_you_mean(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""


def compose(overrides: Sequence[str] = (), name: str = "train") -> dict[str, Any]:
    """The configuration that a command would run with, plain and resolved, for use from Python.

    Args:
        overrides: As on the command line, such as ``["data=utkface", "data.root=PATH", "head.sigma=3"]``.
        name: Of a file in ``conf/``: ``train``, ``evaluate`` or ``faces``.
    """
    import hydra
    from omegaconf import OmegaConf

    _register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(name, list(overrides))
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def entry(name: str) -> Callable[[Callable[[dict[str, Any]], Any]], Callable[[], None]]:
    """Makes a function of a plain, resolved configuration dictionary a Hydra command.

    The wrapped function is called by Hydra with ``conf/NAME.yaml`` composed; an ``AgeGenderError`` from it ends the
    process with status 2 and its message alone.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig, OmegaConf

    _register_resolvers()

    def decorate(function: Callable[[dict[str, Any]], Any]) -> Callable[[], None]:
        reached = False

        @functools.wraps(function)
        def task(config: DictConfig) -> Any:
            nonlocal reached
            reached = True
            try:
                if missing := list(_missing(OmegaConf.to_container(config, resolve=False))):
                    raise AgeGenderError("\n".join(f"{key}: must be given, as in {key}=..." for key in missing))
                return function(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
            except AgeGenderError as error:
                if processes.rank() == 0:
                    _remove_if_empty(Path(HydraConfig.get().runtime.output_dir))
                print(f"error{f' (process {processes.rank()})' if processes.rank() else ''}: {error}", file=sys.stderr)
                # In a sweep the other jobs shall go on, which an exception lets them and an exit does not.
                if os.environ.get("HYDRA_FULL_ERROR") == "1" or HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise
                raise SystemExit(2) from None

        def command() -> None:
            try:
                hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(task)()
            except SystemExit as stop:
                if stop.code == 1 and not reached:  # Hydra itself could not compose: say what would have been allowed
                    _explain(name, sys.argv[1:])
                raise

        return command

    return decorate


def _register_resolvers() -> None:
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("run_dir", _run_dir, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("default_monitor", default_monitor, replace=True)


def _missing(value: Any, path: str = "") -> Iterator[str]:
    """Keys that a person must give: ``???`` in the files."""
    if value == "???":
        yield path
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _missing(item, f"{path}.{name}".lstrip("."))


def _run_dir(resume: str | None, job: str) -> str:
    """A new folder under outputs/, or the run that is being resumed. The random end keeps same-second runs apart.

    Of several processes the first chooses, and the others write nothing: they get a folder that exists.
    """
    if resume:
        return resume
    if chosen := os.environ.get(processes.RUN_DIR):
        return chosen
    if processes.rank() > 0:
        return "."
    from datetime import datetime
    from secrets import token_hex

    return f"outputs/{datetime.now():%Y-%m-%d}/{datetime.now():%H-%M-%S}-{job}-{token_hex(2)}"


def _remove_if_empty(folder: Path) -> None:
    """A run that never began should leave nothing behind."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _explain(name: str, arguments: list[str]) -> None:
    """Prints, for each override whose key does not exist, the keys that do."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    overrides = [a for a in arguments if "=" in a and not a.startswith(("-", "+"))]
    groups = [a for a in overrides if (CONF / a.partition("=")[0]).is_dir()]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            config = hydra_compose(name, groups)
        except Exception:  # the group itself was wrong, and Hydra has listed its members
            return
    for key in (a.partition("=")[0].lstrip("~") for a in overrides if a not in groups and not a.startswith("hydra")):
        node: Any = OmegaConf.to_container(config)
        for depth, part in enumerate(key.split(".")):
            if not isinstance(node, dict) or part in node:
                node = node.get(part) if isinstance(node, dict) else None
                continue
            where = ".".join(key.split(".")[:depth]) or "the configuration"
            print(f"{where} has no {part!r}{_did_you_mean(part, node)}. Allowed: {', '.join(node)}", file=sys.stderr)
            break
