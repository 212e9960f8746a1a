"""Sessions of loggers begin and end with the run, whatever happens in it."""

from collections.abc import Mapping
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger

from agegender.training.loggers.sessions import sessions


class Recorder:
    """A logger with a session that keeps what happens to it."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def begin(self, config: Mapping[str, Any]) -> None:
        self.events.append(("begin", dict(config)))

    def end(self, failed: bool) -> None:
        self.events.append(("end", failed))


def test_every_logger_with_a_session_gets_one_and_others_are_left_alone(tmp_path: Any) -> None:
    one, other = Recorder(), Recorder()
    with sessions([one, CSVLogger(tmp_path), other], {"seed": 3}):
        assert one.events == other.events == [("begin", {"seed": 3})]
    assert one.events == other.events == [("begin", {"seed": 3}), ("end", False)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_session_ends_as_failed_after_any_error(error: type[BaseException]) -> None:
    logger = Recorder()
    with pytest.raises(error), sessions([logger], {}):
        raise error
    assert logger.events[-1] == ("end", True)


def test_a_session_that_began_ends_when_a_later_one_cannot_begin() -> None:
    class Broken(Recorder):
        def begin(self, config: Mapping[str, Any]) -> None:
            raise RuntimeError("no key")

    first, second = Recorder(), Broken()
    with pytest.raises(RuntimeError, match="no key"), sessions([first, second], {}):
        raise AssertionError("the run must not begin")
    assert first.events[-1] == ("end", True)
