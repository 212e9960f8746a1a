"""Loggers with a session on a server, which lasts from before the training until after the test.

Lightning's own ``finalize`` ends with the training, so it is too early for the test.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class HasSession(Protocol):
    """A logger with these two methods gets a session; others are left alone."""

    def begin(self, config: Mapping[str, Any]) -> None:
        """Begins the session of a run with this configuration."""

    def end(self, failed: bool) -> None:
        """Ends the session. It must not raise, because the run may already end with an error of its own."""


@contextmanager
def sessions(loggers: Iterable[Any], config: Mapping[str, Any]) -> Iterator[None]:
    """Begins the loggers' sessions and ends them in any case: success, error or interruption."""
    own = [logger for logger in loggers if isinstance(logger, HasSession)]
    failed = True
    try:
        for logger in own:
            logger.begin(config)
        yield
        failed = False
    finally:
        for logger in own:
            logger.end(failed)
