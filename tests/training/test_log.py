"""The log goes to the terminal and to the file of the current job alone."""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from agegender.training.log import LIBRARIES, log_to, silence_libraries


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("agegender", *LIBRARIES)]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    log_to(None)  # closes files
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_a_line_is_printed_and_appended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("first", "second"):
        log_to(tmp_path / "run" / "log.txt")
        logging.getLogger("agegender.training").info(text)
    assert capsys.readouterr().out.splitlines() == ["first", "second"]
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["INFO first", "INFO second"]


def test_a_later_job_of_the_process_does_not_write_to_the_file_of_an_earlier_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        log_to(tmp_path / name)
        for library in LIBRARIES:
            logging.getLogger(library).warning("of %s", name)
    assert (tmp_path / "one").read_text().count("of one") == len(LIBRARIES)
    assert "of two" not in (tmp_path / "one").read_text()
    assert (tmp_path / "two").read_text().count("of two") == len(LIBRARIES)


def test_without_a_file_lines_are_printed_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_to(tmp_path / "log.txt")
    log_to(None)
    logging.getLogger("agegender").info("hello")
    assert capsys.readouterr().out == "hello\n"
    assert (tmp_path / "log.txt").read_text() == ""


def test_known_warnings_are_silent_and_others_are_not() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        silence_libraries()
        warnings.warn("The 'val_dataloader' does not have many workers which may be a bottleneck.", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["something else"]


def test_other_ranks_than_the_first_log_errors_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    silence_libraries()
    assert not logging.getLogger("agegender.training").isEnabledFor(logging.WARNING)
    assert logging.getLogger("agegender.training").isEnabledFor(logging.ERROR)


def test_a_name_cannot_start_a_line_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_to(tmp_path / "log.txt")
    logging.getLogger("agegender").info("read %s", Path("a\n2026-01-01 INFO all is well\x1b[2J"))
    logging.getLogger("agegender").info("first\nsecond %s", "\x1b[2J")
    spelled = ["read a\\n2026-01-01 INFO all is well\\x1b[2J", "first", "second \\x1b[2J"]
    assert capsys.readouterr().out.splitlines() == spelled
    assert [line.partition("INFO ")[2] or line for line in (tmp_path / "log.txt").read_text().splitlines()] == spelled
