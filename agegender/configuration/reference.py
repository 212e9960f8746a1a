"""The configuration reference, ``docs/configuration.md``: every group, choice and key.

Choices and values are read from ``conf/``, types from the constructors that it names, and descriptions from their docstrings. A
key that is no argument of a class of this package is described by its comment in ``conf/``.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
import yaml
from omegaconf import OmegaConf

from agegender.configuration.command import register_resolvers
from agegender.configuration.docstrings import argument_texts, summary
from agegender.configuration.paths import CONF
from agegender.configuration.sections import SETTINGS, Section, sections
from agegender.configuration.signatures import describe, parameters

COMMANDS = {
    "train": ("agegender.train", "agegender.configuration.settings.TrainSettings"),
    "evaluate": ("agegender.evaluate", "agegender.configuration.evaluation.EvaluationSettings"),
    "faces": ("agegender.data", "agegender.configuration.settings.FacesSettings"),
}
MANY = 4  # different values of a key, from which on the table does not list them
WIDTH = 60  # characters of a value
KEYS = ("key", "type", "default", "meaning")

INTRODUCTION = """# Configuration reference

This page is written by `python scripts/write_configuration_reference.py`, from `conf/` and from the signatures and docstrings
of the classes that `conf/` names.

`GROUP=CHOICE` on the command line picks the file `conf/GROUP/CHOICE.yaml`, and `key=value` sets a key. A default with `+` is
that of the class: the key is not in the files and is set with `+key=value`. `${...}` is the value of another key. A required
key has no default.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    register_resolvers()
    text = [INTRODUCTION]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        for name, (module, target) in COMMANDS.items():
            text += [f"## `python -m {module}`\n", *_command(name, target)]
        text.append("## Groups\n")
        for group in sorted({file.parent.relative_to(CONF).as_posix() for file in CONF.rglob("*/*.yaml")}):
            text += [f"### {group}\n", *_group(group)]
    return "\n".join(text)


def _command(name: str, target: str) -> list[str]:
    groups = [f"`{group}={choice}`" for group, choice in _defaults(name).items()]
    values = {"": _composed(name)}
    rows = [[f"`{key}`", _type(target, key), _default(target, key, values), _meaning(target, key)] for key in _names(target)]
    return [f"Groups and their defaults: {', '.join(groups)}.\n", *_table(KEYS, rows)]


def _group(group: str) -> list[str]:
    default = _defaults("train").get(group)
    files = sorted((CONF / group).glob("*.yaml"), key=lambda file: (file.stem != default, file.stem))  # the default first
    rows = [[f"`{group}={f.stem}`" + (" (default)" if f.stem == default else ""), description(f.read_text())] for f in files]
    text = _table(("choice", "meaning"), sorted(rows))
    if group == "experiment":
        return text
    if group.startswith("hydra/"):
        return text + _keys_of_files(group, files)
    configs = {file.stem: _composed("train", f"{group}={file.stem}")[group] for file in files}
    comments = {key: comment for file in reversed(files) for key, comment in _comments(file.read_text()).items()}
    by_class: dict[str, list[tuple[str, Section]]] = {}
    for choice, config in configs.items():
        for section in sections({group: config}):
            if not section.target.startswith("torch."):
                by_class.setdefault(section.target, []).append((choice, section))
    for found in by_class.values():
        choices = dict.fromkeys(choice for choice, _ in found)
        text += _class(found, comments, "" if len(choices) == len(files) else f" ({', '.join(choices)})")
    return text + (_keys_of_datasets(configs) if group == "data" else [])


def _class(found: Sequence[tuple[str, Section]], comments: Mapping[str, str], choices: str) -> list[str]:
    """The keys of one class, with their values in every choice that names it."""
    target, signature = found[0][1].target, found[0][1].signature or {}
    own = target.startswith("agegender.")
    names = [*signature] if own else [*dict.fromkeys(name for _, section in found for name in section.arguments)]
    if not names:
        return []
    prefix = _pattern([section.key for _, section in found])
    values = {} if "NAME" in prefix else {choice: section.arguments for choice, section in found}
    rows = []
    for name in names:
        meaning = _meaning(target, name) if own else comments.get(f"{prefix.partition('.')[2]}.{name}".lstrip("."), "")
        rows.append([f"`{prefix}.{name}`", _type(target, name), _default(target, name, values), meaning])
    head = f"`{target}`{choices}" + (f": {summary(target)}" if own else "")
    return [_cell(summary(target) if target.startswith(SETTINGS) else head) + "\n", *_table(KEYS, rows)]


def _keys_of_datasets(configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The keys of ``data`` that only some datasets have; their sources use them."""
    rows = []
    for choice, config in configs.items():
        comments = _comments((CONF / "data" / f"{choice}.yaml").read_text())
        own = {name: value for name, value in config.items() if name not in (*_names(f"{SETTINGS}DataSettings"), "sources")}
        rows += [[f"`{choice}`", f"`data.{key}`", value, comments.get(key, "")] for key, value in _leaves(own, comments)]
    return ["Keys of single datasets:\n", *_table(("dataset", "key", "default", "meaning"), rows)]


def _keys_of_files(group: str, files: Sequence[Path]) -> list[str]:
    """The keys of a group that Hydra's plugins read."""
    rows = []
    for file in files:
        comments, values = _comments(file.read_text()), yaml.safe_load(file.read_text())
        own = {name: value for name, value in values.items() if name not in ("defaults", "_target_")}
        rows += [
            [f"`{file.stem}`", f"`{group.replace('/', '.')}.{key}`", _code(own[key]), comments.get(key, "")] for key in own
        ]
    return _table(("choice", "key", "default", "meaning"), rows)


def _leaves(values: Mapping[str, Any], comments: Mapping[str, str], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict) and prefix + name not in comments:
            yield from _leaves(value, comments, f"{prefix}{name}.")
        else:
            yield prefix + name, _code(value)


def _names(target: str) -> list[str]:
    return [*(parameters(target) or {})]


def _type(target: str, name: str) -> str:
    parameter = (parameters(target) or {}).get(name)
    return describe(parameter.annotation, parameter.module) if parameter else ""


def _meaning(target: str, name: str) -> str:
    return argument_texts(target).get(name, "")


def _default(target: str, name: str, values: Mapping[str, Mapping[str, Any]]) -> str:
    """The values of a key in the choices; the default of the class where no choice has the key."""
    given = {choice: _code(arguments[name]) for choice, arguments in values.items() if name in arguments}
    if not given:
        default = (parameters(target) or {})[name].default
        return "required" if default is None else ("+ " if values else "") + _code(_literal(default))
    first, *others = dict.fromkeys(given.values())
    if len(others) >= MANY:
        return "set by each choice"
    return "; ".join([first, *(f"{value} ({_chosen(given, value)})" for value in others)])


def _chosen(given: Mapping[str, str], value: str) -> str:
    """The choices with a value, if they are few."""
    choices = [choice for choice in given if given[choice] == value]
    return ", ".join(choices) if len(choices) <= MANY else "other choices"


def _composed(name: str, *overrides: str) -> dict[str, Any]:
    """A configuration as the files say it, interpolations unresolved."""
    return OmegaConf.to_container(hydra.compose(name, list(overrides)))  # type: ignore[return-value]


def _defaults(name: str) -> dict[str, str]:
    """The choice of each group that a command starts with."""
    entries = yaml.safe_load((CONF / f"{name}.yaml").read_text())["defaults"]
    groups = {group: choice for entry in entries if isinstance(entry, dict) for group, choice in entry.items()}
    return {group: "null" if choice is None else choice for group, choice in groups.items() if not group.startswith("override")}


def description(text: str) -> str:
    """The first line of the comment that a file of ``conf/`` begins with."""
    lines = [line for line in text.splitlines() if not line.startswith("# @package")]
    return lines[0].removeprefix("#").strip() if lines and lines[0].startswith("#") else ""


def _comments(text: str) -> dict[str, str]:
    """The comment behind each key of a YAML file, by dotted key."""
    found: dict[str, str] = {}
    parents: list[str] = []
    for line in text.splitlines():
        if match := re.match(r"( *)([\w-]+):(?:.*?\s#\s+(.*))?", line):
            depth = len(match[1]) // 2
            parents = [*parents[:depth], match[2]]
            if match[3]:
                found[".".join(parents)] = match[3]
    return found


def _pattern(keys: Sequence[str]) -> str:
    """Dotted keys as one: parts in which they differ become NAME."""
    parts = zip(*(key.split(".") for key in keys), strict=False)
    return ".".join(part[0] if len(set(part)) == 1 else "NAME" for part in parts)


def _literal(default: ast.expr) -> Any:
    try:
        return ast.literal_eval(default)
    except ValueError:
        return ast.unparse(default)


def _code(value: Any) -> str:
    """A value as it is written on the command line, shortened."""
    if value == "???":
        return "required"
    if isinstance(value, list | tuple) and len(value) > MANY and not isinstance(value[0], dict):
        return f"`[{value[0]}, {value[1]}, ..., {value[-1]}]`"
    text = yaml.safe_dump(list(value) if isinstance(value, tuple) else value, default_flow_style=True, width=float("inf"))
    text = text.strip().removesuffix("\n...")
    return f"`{text if len(text) <= WIDTH else text[: WIDTH - 3] + '...'}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines), ""]


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")
