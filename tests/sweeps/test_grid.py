"""A grid with a full disk: the sweep goes on, and its table is written as soon as there is room."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agegender.errors import AgeGenderError
from agegender.sweeps import grid
from agegender.sweeps.grid import run_grid
from agegender.sweeps.table import read_table, write_table


@pytest.fixture
def configs(configure: Callable[..., dict[str, Any]]) -> list[tuple[list[str], dict[str, Any]]]:
    return [([f"seed={seed}"], configure("test=false", f"seed={seed}")) for seed in range(2)]


def ends_all(_: Any) -> Callable[..., int]:
    """A launcher of which each job ends at once."""

    def run_jobs(jobs: Any, on_end: Callable[[Any], None], **_: Any) -> int:
        for job in jobs:
            job.state = "done"
            on_end(job)
        return 0

    return run_jobs


def full_in_calls(*calls: int) -> Callable[..., None]:
    """``write_table`` that finds no space left in these calls."""
    count = 0

    def write(rows: Any, file: Path) -> None:
        nonlocal count
        count += 1
        if count in calls:
            raise OSError(errno.ENOSPC, "No space left on device", str(file))
        write_table(rows, file)

    return write


def test_a_table_that_cannot_be_written_for_a_while_does_not_end_the_sweep(
    configs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(grid, "write_table", full_in_calls(2))
    assert run_grid(configs, tmp_path / "sweep", ends_all) == 0
    assert [row["state"] for row in read_table(tmp_path / "sweep")] == ["done", "done"]
    message = f"{tmp_path / 'sweep' / 'sweep.csv'}: cannot be written: No space left on device; the jobs go on"
    assert capsys.readouterr().err.splitlines().count(message) == 1


def test_a_table_that_cannot_be_written_at_the_end_is_a_failure(
    configs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(grid, "write_table", full_in_calls(2, 3, 4))
    assert run_grid(configs, tmp_path / "sweep", ends_all) == 1
    assert "seed=1" in capsys.readouterr().out  # the table is printed in any case


def test_no_job_starts_if_the_table_cannot_be_written(configs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "write_table", full_in_calls(1))
    with pytest.raises(AgeGenderError, match=r"sweep\.csv: cannot be written: No space left on device$"):
        run_grid(configs, tmp_path / "sweep", lambda _: pytest.fail)
