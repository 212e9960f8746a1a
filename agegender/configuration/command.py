"""Hydra commands: composes a configuration and passes it to a function."""

import contextlib
import errno
import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agegender.configuration import job
from agegender.configuration.databases import facebase_sources
from agegender.configuration.paths import CONF
from agegender.configuration.schema import GROUPS, default_monitor
from agegender.configuration.unknown_keys import explain
from agegender.errors import AgeGenderError
from agegender.processes import ranks
from agegender.processes.interruption import Interrupted, raise_on_signals, report
from agegender.whole_files import WriteError

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

MAPPINGS = ("across", "paper")  # settings at the top level that are mappings
FULL_ERROR = "HYDRA_FULL_ERROR"
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # no mistake in a program, but a full or broken disk


def compose(overrides: Sequence[str] = (), name: str = "train") -> dict[str, Any]:
    """The plain, resolved configuration of a command, for use from Python.

    Args:
        overrides: As on the command line, such as ``["data=utkface", "data.root=PATH", "head.sigma=3"]``.
        name: Name of a file in ``conf/``: ``train``, ``evaluate`` or ``faces``.
    """
    import hydra
    from omegaconf import OmegaConf

    register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(name, list(overrides))
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def entry(name: str) -> Callable[[Callable[[dict[str, Any]], Any]], Callable[[], None]]:
    """Makes a Hydra command of a function that takes a plain, resolved configuration.

    The command composes ``conf/NAME.yaml`` with the overrides of the command line. An ``AgeGenderError`` ends the process
    with status 2 and prints its message, without a traceback.

    Args:
        name: Name of a file in ``conf/``.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import RunMode
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    register_resolvers()

    def decorate(function: Callable[[dict[str, Any]], Any]) -> Callable[[], None]:
        reached = False
        full = os.environ.get(FULL_ERROR) == "1"  # the user wants tracebacks

        @functools.wraps(function)
        def task(config: DictConfig) -> Any:
            nonlocal reached
            reached = True
            try:
                with _hydra_raises(full), _one_line_if_disk_is_full():
                    return function(plain(config))
            except AgeGenderError as error:
                if ranks.rank() == 0:
                    _remove_if_empty(Path(HydraConfig.get().runtime.output_dir))
                _print_error(error)
                # In a sweep an exception ends this job only; an exit would end the jobs after it too.
                if full or HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise
                raise SystemExit(error.status) from None

        def command() -> None:
            raise_on_signals()
            try:
                if sys.argv[1:2] == ["--job"]:
                    with exit_on_error(), _one_line_if_disk_is_full():
                        function(job.enter(Path(sys.argv[2])))
                else:
                    with _hydra_raises(True):  # by itself it prints most errors with a traceback
                        hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(task)()
            except (AgeGenderError, HydraException, OmegaConfBaseException, OSError, ValueError) as error:
                if full or (reached and not isinstance(error, AgeGenderError)):
                    raise
                if not reached:  # Hydra could not compose the configuration, or not make the run directory
                    _print_error(_of_hydra(error))
                    explain(name, sys.argv[1:])
                raise SystemExit(2) from None
            except Interrupted as stop:
                report(stop)
                raise SystemExit(128 + stop.number) from None

        return command

    return decorate


def plain(config: "DictConfig") -> dict[str, Any]:
    """The values of a composed configuration, resolved.

    Raises:
        AgeGenderError: A key must be given and is not, refers to a key that does not exist or to itself, or is a mapping
            that is no group and that nothing refers to.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    unresolved: Any = OmegaConf.to_container(own, resolve=False)
    if missing := list(_missing(unresolved)):
        raise AgeGenderError(*(f"{key}: must be given, as in {key}=..." for key in missing))
    if unused := _unused(unresolved):
        raise AgeGenderError(*(f"{key}: unknown key. Allowed: {', '.join(GROUPS)}" for key in unused))
    values = {}
    for key in unresolved:
        try:
            value = own[key]
            values[key] = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        except (OmegaConfBaseException, RecursionError) as error:
            if (cause := _cause(error, AgeGenderError)) is not None:  # of a resolver
                raise cause from None
            reason = "it refers to itself" if isinstance(error, RecursionError) else str(error).partition("\n")[0]
            place = getattr(error, "full_key", None) or key
            raise AgeGenderError(f"{place}={_at(unresolved, str(place))}: cannot be resolved: {reason}") from error
    return values


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Ends the process with status 2 and the message alone if an ``AgeGenderError`` is raised."""
    try:
        yield
    except AgeGenderError as error:
        _print_error(error)
        raise SystemExit(error.status) from None


@contextlib.contextmanager
def _one_line_if_disk_is_full() -> Iterator[None]:
    """Replaces the traceback of a library that cannot write a file by one line.

    Raises:
        WriteError: The disk is full or cannot be written to.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise WriteError(f"{error.filename or 'a file of the run'}: cannot be written: {error.strerror}") from error


def _print_error(error: AgeGenderError) -> None:
    print(f"error{f' (process {ranks.rank()})' if ranks.rank() else ''}: {error}", file=sys.stderr)


@contextlib.contextmanager
def _hydra_raises(raises: bool) -> Iterator[None]:
    """Sets whether Hydra raises errors or prints them itself."""
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1" if raises else "0"
    try:
        yield
    finally:
        del os.environ[FULL_ERROR]
        os.environ |= {} if before is None else {FULL_ERROR: before}


def _of_hydra(error: BaseException) -> AgeGenderError:
    """The error for the user in place of one raised while Hydra composes the configuration and makes the run directory."""
    from hydra.errors import OverrideParseException

    cause = _cause(error, AgeGenderError, OSError)
    if isinstance(cause, OSError) and cause.filename is not None:  # Hydra's own error of a missing file has no name
        return AgeGenderError(f"{cause.filename}: cannot be read, or created as the run directory: {cause.strerror}")
    if isinstance(cause, AgeGenderError):
        return cause
    if isinstance(error, OverrideParseException):
        lines = [line for line in error.message.splitlines() if not line.startswith(("Error parsing override", "See https:"))]
        return AgeGenderError(f"{error.override}: {' '.join(lines)}")
    return AgeGenderError(*(line for one in (error, error.__cause__) if one for line in str(one).expandtabs(4).splitlines()))


def _cause(error: BaseException, *kinds: type[BaseException]) -> BaseException | None:
    """The error of one of these kinds that an error follows from, or that it is itself; None if there is none."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kinds):
        cause = cause.__cause__ or cause.__context__
    return cause


def register_resolvers() -> None:
    """Makes ``${run_dir:...}``, ``${default_monitor:...}`` and ``${facebase_sources:...}`` known to OmegaConf."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("run_dir", _run_dir, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("default_monitor", default_monitor, replace=True)
    OmegaConf.register_new_resolver("facebase_sources", facebase_sources, replace=True)


def _missing(value: Any, path: str = "") -> Iterator[str]:
    """Dotted keys of required values that were not given (``???`` in the files)."""
    if value == "???":
        yield path
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _missing(item, f"{path}.{name}".lstrip("."))


def _unused(unresolved: dict[str, Any]) -> list[str]:
    """Mappings at the top level that are no groups or settings and that no interpolation refers to."""
    own = [key for key, value in unresolved.items() if isinstance(value, dict) and key not in (*GROUPS, *MAPPINGS)]
    return [key for key in own if not re.search(rf"\${{[^}}]*\b{re.escape(key)}\b", str(unresolved))]


def _at(unresolved: Any, key: str) -> Any:
    """The value at a dotted key, with its interpolations."""
    for name in key.split("."):
        unresolved = unresolved.get(name) if isinstance(unresolved, dict) else None
    return unresolved


def _run_dir(resume: Any, job: str) -> str:
    """The run directory: a new folder in ``outputs/``, or the run to resume.

    The name ends with random digits, so that runs started in the same second have different folders. Of several processes
    the first one chooses; the others write nothing and get the current directory.

    Raises:
        AgeGenderError: There is no run to resume.
    """
    if resume is not None:
        if not (resume and os.path.isfile(os.path.join(str(resume), "config.yaml"))):
            raise AgeGenderError(f"resume={resume}: not a run directory: it has no config.yaml")
        return str(resume)
    if chosen := os.environ.get(ranks.RUN_DIR):
        return chosen
    if ranks.rank() > 0:
        return "."
    from datetime import datetime
    from secrets import token_hex

    return f"outputs/{datetime.now():%Y-%m-%d}/{datetime.now():%H-%M-%S}-{job}-{token_hex(2)}"


def _remove_if_empty(folder: Path) -> None:
    """Removes the folder of a run that ended before it wrote anything."""
    with contextlib.suppress(OSError):
        folder.rmdir()
