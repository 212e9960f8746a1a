"""The lines of running jobs in a terminal and in a log, and the table of a sweep."""

import io
import os
import pty
import select
from pathlib import Path
from typing import Any

import pytest

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps import table
from agegender.sweeps.jobs import Job
from agegender.sweeps.table import COLUMNS, Display, Row, as_text, progress, read_table, write_table

CONFIG: dict[str, Any] = {"monitor": "val/loss", "trainer": {"max_epochs": 4}}


def job(folder: Path, name: str, scores: list[float], state: Any = "running", reason: str = "") -> Job:
    run = RunDirectory(folder / name)
    run.path.mkdir(exist_ok=True)
    if scores:
        run.write_history([{"epoch": epoch, "seconds": 30.0, "val/loss": score} for epoch, score in enumerate(scores)])
    return Job([f"head={name}"], CONFIG, run, state, reason=reason)


def test_a_line_has_state_epoch_score_and_time_left(tmp_path: Path) -> None:
    assert progress(job(tmp_path, "a", [])) == "a  running  epoch 0/4  first epoch  head=a"
    assert progress(job(tmp_path, "b", [2.5, 1.25])) == "b  running  epoch 2/4  val/loss 1.25  time left 0:01:00  head=b"


def test_in_a_log_each_job_has_a_line_every_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(table.time, "monotonic", lambda: now)
    text = io.StringIO()
    display, jobs = Display(text), [job(tmp_path, "a", []), job(tmp_path, "b", [2.0])]
    for second in range(0, 130, 5):
        now = 1000.0 + second
        display(jobs)
    display.line("a  done")
    lines = text.getvalue().splitlines()
    assert lines == [progress(jobs[0]), progress(jobs[1])] * 3 + ["a  done"]  # after 0, 60 and 120 seconds
    assert "\x1b" not in text.getvalue()


@pytest.fixture
def terminal() -> Any:
    """A pseudo-terminal: what is written to it, and a function that reads it."""
    reader, writer = pty.openpty()
    stream = os.fdopen(writer, "w")

    def read() -> str:
        data = b""
        while select.select([reader], [], [], 0.2)[0]:  # one read returns what one write wrote
            data += os.read(reader, 100_000)
        return data.decode().replace("\r\n", "\n")

    yield stream, read
    stream.close()
    os.close(reader)


def screen(written: str) -> list[str]:
    """The lines that a terminal shows: ESC [ n F goes up n lines, ESC [ J clears below."""
    lines: list[str] = []
    for part in written.replace("\x1b[J", "").split("\x1b["):
        up, mark, rest = part.partition("F")
        if mark and up.isdigit():
            lines = lines[: len(lines) - int(up)]
            part = rest
        lines += part.splitlines()
    return lines


def test_in_a_terminal_the_lines_of_running_jobs_are_redrawn_below_those_that_stay(
    terminal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(table.time, "monotonic", lambda: now)
    stream, read = terminal
    display = Display(stream)
    display.line("sweep: 3 jobs")
    jobs = [job(tmp_path, "a", []), job(tmp_path, "b", [])]
    display(jobs)
    now += 2
    jobs[1].run.write_history([{"epoch": 0, "seconds": 30.0, "val/loss": 2.0}])
    display(jobs)
    written = read()
    assert screen(written) == ["sweep: 3 jobs", *(progress(one)[:79] for one in jobs)]
    display.line("a  done")
    now += 2
    display([jobs[1]])
    assert screen(written + read()) == ["sweep: 3 jobs", "a  done", progress(jobs[1])[:79]]


def test_the_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a", [2.0], "done"), job(tmp_path, "b", [], "failed", 'exit status 2\nerror: no, "really"')]
    write_table(list(map(Row.of, jobs)), tmp_path / "sweep.csv")
    first, second = read_table(tmp_path)
    assert list(first) == list(COLUMNS)
    assert (first["state"], first["score"], first["directory"], first["overrides"]) == ("done", "2.0", "a", "head=a")
    assert (second["state"], second["score"], second["reason"]) == ("failed", "", jobs[1].reason)
    text = as_text(list(map(Row.of, jobs)), "val/loss")
    assert text.splitlines()[1].startswith("a") and text.endswith('error: no, "really"')


def test_a_missing_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"sweep\.csv: cannot be read"):
        read_table(tmp_path)
