"""What a sweep shows: a line for each running job, and a table of all jobs at the end."""

import csv
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from agegender.errors import AgeGenderError
from agegender.escaping import csv_cell, one_line
from agegender.regular_files import open_text
from agegender.sweeps.jobs import Job
from agegender.whole_files import whole

FILE = "sweep.csv"  # of the sweep directory
PERIOD = 60.0  # seconds between two lines of a job in a log


@dataclass(frozen=True)
class Row:
    """A row of ``sweep.csv``: a job, or a trial of a search.

    Args:
        state: ``waiting``, ``running``, ``done``, ``failed``, ``pruned`` or ``interrupted``.
        score: The smallest value of the monitor; None before the first epoch.
        seconds: Time that its processes took in this session.
        directory: Name of its run directory in the sweep directory; one name for each seed of a trial, separated by spaces.
        overrides: What distinguishes it from the others.
        status: Exit status, 128 + N for signal N.
        reason: Last lines of its output, if it failed.
    """

    state: str
    score: float | None
    seconds: float
    directory: str
    overrides: str
    status: int | None
    reason: str

    @classmethod
    def of(cls, job: Job) -> "Row":
        """The row of a job."""
        return cls(job.state, job.score, job.seconds, job.run.path.name, job.name, job.status, job.reason)


COLUMNS = tuple(field.name for field in fields(Row))


class Display:
    """Shows a line for each running job: redrawn every second in a terminal, added every minute in a log.

    Args:
        stream: Where to; None for standard error.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._drawn = 0
        self._next = 0.0

    def __call__(self, running: Sequence[Job]) -> None:
        """Shows the jobs, unless it has just done so."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (1.0 if self._terminal else PERIOD)
        lines = [progress(job) for job in running]
        if self._terminal:
            width = os.get_terminal_size(self._stream.fileno()).columns or 80  # 0: the terminal does not know
            back = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
            self._stream.write(back + "".join(f"{line[: width - 1]}\n" for line in lines))
            self._drawn = len(lines)
        else:
            self._stream.writelines(f"{line}\n" for line in lines)
        self._stream.flush()

    def line(self, text: str) -> None:
        """Prints a line that stays, above the running jobs."""
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0
        print(one_line(text), file=self._stream, flush=True)
        self._next = 0.0 if self._terminal else self._next


def progress(job: Job) -> str:
    """State, epoch, score and time left of a job in one line."""
    rows = job.history()
    done, total = len(rows), job.max_epochs
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    remaining = sum(seconds) / max(len(seconds), 1) * (total - done)
    left = f"time left {timedelta(seconds=round(remaining))}" if seconds else "first epoch"
    score = "" if job.score is None else f"{job.config['monitor']} {job.score:.4g}"
    parts = (job.run.path.name, job.state, f"epoch {done}/{total}", score, left, job.name)
    return one_line("  ".join(part for part in parts if part))


def write_table(rows: Sequence[Row], file: Path) -> None:
    """Writes ``sweep.csv``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole(file) as partial, partial.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            cells = [csv_cell(cell) for cell in astuple(replace(row, seconds=round(row.seconds, 1), reason=""))]
            writer.writerow([*cells[:-1], "\n".join(map(csv_cell, row.reason.splitlines()))])


def read_table(sweep: Path) -> list[dict[str, str]]:
    """The rows of ``sweep.csv``: one for each job, as text.

    Args:
        sweep: The sweep directory.

    Raises:
        AgeGenderError: The file is missing or damaged.
    """
    file = sweep / FILE
    try:
        with open_text(file, newline="") as text:
            reader = csv.DictReader(text, strict=True)
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise AgeGenderError(f"{file}: cannot be read: {error}") from error
    if not set(COLUMNS) <= set(columns) or any(None in row.values() for row in rows):
        raise AgeGenderError(f"{file}: not the table of a sweep: expected the columns {', '.join(COLUMNS)}")
    return rows


def as_text(rows: Sequence[Row], monitor: str, most: int | None = None) -> str:
    """The table for a person, best score first; failed jobs come last, with the reason.

    Args:
        rows: The table.
        monitor: Name of the score.
        most: Rows to show at most; None for all.
    """
    order = ("done", "pruned", "running", "waiting", "interrupted", "failed")
    ranked = sorted(rows, key=lambda row: (order.index(row.state), row.score is None, row.score or 0.0))
    shown = ranked[:most]
    cells = [("directory", "state", monitor, "overrides")]
    for row in shown:
        score = "" if row.score is None else f"{row.score:.4f}"
        cells.append((one_line(row.directory), row.state, score, one_line(row.overrides)))
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    if len(shown) < len(ranked):
        lines.append(f"and {len(ranked) - len(shown)} more")
    for row in [row for row in ranked if row.state == "failed"][:most]:
        lines.append(one_line(f"{row.directory} failed: {row.overrides}"))
        lines += [f"  {one_line(line)}" for line in row.reason.splitlines()]
    return "\n".join(lines)
