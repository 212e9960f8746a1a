"""The files and folders in a configuration, found by the annotations of the constructors that it names.

``InputFile`` and ``InputFolder`` are what a run reads; any other path type is a place to write to.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agegender.configuration.sections import sections
from agegender.configuration.signatures import Parameter, mentioned

Kind = Literal["file", "folder", "output"]


@dataclass(frozen=True)
class PathArgument:
    """One path argument in a configuration.

    Args:
        section: Dotted key of the mapping that holds it, such as ``data.sources.utkface``.
        name: Its key in that mapping, such as ``root``.
        kind: ``file`` or ``folder`` for an input, else ``output``.
        folder: The closest input folder among the arguments of the same and the enclosing objects.
        holder: The mapping.
    """

    section: str
    name: str
    kind: Kind
    folder: str | None
    holder: dict[str, Any]

    @property
    def key(self) -> str:
        """Its dotted key in the configuration."""
        return f"{self.section}.{self.name}"

    @property
    def path(self) -> str | None:
        """The path itself; None where it is null."""
        return self.holder[self.name]


def path_arguments(config: Mapping[str, Any]) -> Iterator[PathArgument]:
    """Every path argument of a plain, resolved configuration, those of outer objects first."""
    folders: dict[str, str] = {}  # of each object that has one, outer objects first
    for section in sections(config):
        key, values, signature = section.key, section.values, section.signature or {}
        kinds = {name: kind for name in values if name in signature and (kind := _kind(signature[name]))}
        if own := next((values[name] for name, kind in kinds.items() if kind == "folder" and values[name]), None):
            folders[key] = own
        folder = next((folders[outer] for outer in reversed(folders) if f"{key}.".startswith(f"{outer}.")), None)
        for name, kind in kinds.items():
            if isinstance(values[name], dict):  # paths by name
                yield from (PathArgument(f"{key}.{name}", last, kind, folder, values[name]) for last in values[name])
            else:
                yield PathArgument(key, name, kind, folder, values)


def _kind(parameter: Parameter) -> Kind | None:
    names = mentioned(parameter.annotation, parameter.module)
    if "Path" not in names:
        return None
    return "file" if "InputFile" in names else "folder" if "InputFolder" in names else "output"


def with_absolute_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a plain, resolved configuration with absolute paths, so that a run can be resumed from any directory.

    A relative file that exists in its input folder stays relative, so that it moves with the folder.
    """
    copy = deepcopy(dict(config))
    for argument in list(path_arguments(copy)):
        if argument.path and not _in_folder(argument):
            argument.holder[argument.name] = str(Path(argument.path).expanduser().absolute())
    return copy


def _in_folder(argument: PathArgument) -> bool:
    return bool(
        argument.path
        and argument.kind == "file"
        and argument.folder
        and (Path(argument.folder).expanduser() / argument.path).exists()
    )
