"""Where a run's own configuration may write: below its run directory and the cache, and nowhere else.

Run directories are passed on between people, so a ``config.yaml`` may name any folder. What the user gives on the command line
is obeyed.
"""

import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from agegender.configuration.path_arguments import path_arguments
from agegender.configuration.schema import refuse
from agegender.configuration.sections import Section, sections
from agegender.configuration.signatures import mentioned

WRITERS = ("callbacks", "finetune", "logger")  # sections of classes that write files; their names of files may be plain text
OUTSIDE = re.compile(r"^(~|/|\\|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)|://")  # absolute, upwards, or the address of a server
PLACE = re.compile("dir|path|file", re.IGNORECASE)  # in the name of an argument of a class with unknown argument types


def confined(saved: Mapping[str, Any], run: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a run's configuration that writes below the run directory and the cache only.

    The cache folder of another machine is replaced by that of this one. A dataset that is missing is neither downloaded nor
    drawn.

    Args:
        saved: Plain and resolved, some or all sections of ``config.yaml``, with the overrides of the command line.
        run: The run directory.
        given: The configuration that the command line composes; its values come from the user.

    Raises:
        AgeGenderError: Lists every value that names another place to write to, one a line.
    """
    config = deepcopy(dict(saved))
    cache = os.environ.get("AGEGENDER_CACHE")
    loader = config.get("loader") or {}
    if "cache_dir" in loader and not _is_given("loader.cache_dir", loader["cache_dir"], given):
        loader["cache_dir"] = loader["cache_dir"] if _holds_images(loader["cache_dir"]) else cache
    for section in sections(config):
        for name, parameter in (section.signature or {}).items():
            if "MakesMissing" in mentioned(parameter.annotation, parameter.module):
                section.values[name] = bool(_at(f"{section.key}.{name}", given))
    places = [
        f"{key}={path}: outside {run}. The configuration of a run writes below the run directory and the cache only, unless "
        f"{key}=PATH is given"
        for key, path in _outputs(config)
        if not _is_below(path, run) and not _is_given(key, path, given)
    ]
    refuse(places)
    return config


def _outputs(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Dotted key and value of every place to write to, that of the cache excepted."""
    known = {argument.key: argument for argument in path_arguments(config)}
    for argument in known.values():
        if argument.kind == "output" and isinstance(argument.path, str) and argument.key != "loader.cache_dir":
            yield argument.key, argument.path
    for section in sections(config):
        if section.key.startswith(WRITERS):
            yield from ((key, text) for key, text in _texts(section) if key not in known)


def _texts(section: Section) -> Iterator[tuple[str, str]]:
    """Texts in a section that lead out of the folder that they are meant to be in."""
    for key, value in _leaves(section.key, section.arguments):
        unknown = section.signature is None and PLACE.search(key.rpartition(".")[2])
        if isinstance(value, str) and (unknown or OUTSIDE.search(value)):
            yield key, value


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield key, value
    else:
        for name, item in items:
            yield from _leaves(f"{key}.{name}", item)


def _is_below(path: str, folder: Path) -> bool:
    return Path(path).expanduser().resolve().is_relative_to(folder.resolve())


def _holds_images(folder: Any) -> bool:
    """Whether a folder is a cache of decoded images already."""
    return isinstance(folder, str) and any(Path(folder, "images").glob("*.uint8"))


def _is_given(key: str, value: Any, given: Mapping[str, Any]) -> bool:
    return bool(value == _at(key, given))


def _at(key: str, config: Any) -> Any:
    """The value at a dotted key; None if there is none."""
    for name in key.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config
