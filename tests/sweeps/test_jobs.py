"""Jobs of a sweep are found again by their configuration."""

import csv
from pathlib import Path
from typing import Any

import pytest

from agegender.configuration import job as job_file
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.jobs import Job, last_lines, matched, varied_keys
from agegender.sweeps.table import Row, as_text, write_table


def config(**settings: Any) -> dict[str, Any]:
    return {"seed": 0, "resume": None, "monitor": "val/age_mae", "trainer": {"max_epochs": 3}, **settings}


def started(job: Job, sweep: Path) -> None:
    job_file.write(job.run.job, job.config, job.overrides, sweep)


def test_new_jobs_get_numbers(tmp_path: Path) -> None:
    jobs = matched([(["seed=0"], config()), (["seed=1"], config(seed=1))], tmp_path / "sweep")
    assert [job.run.path.name for job in jobs] == ["0", "1"]
    assert {job.state for job in jobs} == {"waiting"}


def test_a_job_keeps_its_directory_when_the_order_changes_and_jobs_are_added(tmp_path: Path) -> None:
    first = matched([(["seed=0"], config()), (["seed=1"], config(seed=1))], tmp_path)
    for job in first:
        started(job, tmp_path)
    first[1].run.metrics.write_text("{}")
    again = matched([(["seed=2"], config(seed=2)), (["seed=1"], config(seed=1)), (["seed=0"], config())], tmp_path)
    assert [(job.run.path.name, job.state) for job in again] == [("2", "waiting"), ("1", "done"), ("0", "waiting")]


def test_resuming_does_not_make_another_job(tmp_path: Path) -> None:
    (job,) = matched([(["seed=0"], config())], tmp_path)
    job_file.write(job.run.job, {**job.config, "resume": str(job.run.path)}, job.overrides, tmp_path)
    (again,) = matched([(["seed=0"], config())], tmp_path)
    assert again.run.path == job.run.path


def test_folders_and_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (job,) = matched([(["seed=0"], config())], tmp_path)
    assert job.run.path.name == "1"


def test_two_jobs_of_one_configuration_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"same configuration: seed=0 and seed=00"):
        matched([(["seed=0"], config()), (["seed=00"], config())], tmp_path)


def test_a_name_holds_what_varies(tmp_path: Path) -> None:
    jobs = matched([(["head=dldl", "seed=0"], config()), (["head=dldl", "seed=1"], config(seed=1))], tmp_path)
    assert [job.name for job in jobs] == ["seed=0", "seed=1"]
    assert varied_keys([["a=1", "+b=2"], ["a=1"]]) == {"b"}


def test_the_score_is_the_smallest_monitored_value(tmp_path: Path) -> None:
    (job,) = matched([(["seed=0"], config())], tmp_path)
    assert job.score is None
    job.run.write_history(
        [{"epoch": 0, "val/age_mae": 5.0}, {"epoch": 1, "val/age_mae": 4.0}, {"epoch": 2, "val/age_mae": 6.0}]
    )
    assert job.score == 4.0


def test_last_lines(tmp_path: Path) -> None:
    file = tmp_path / "output.txt"
    assert last_lines(file) == []
    file.write_bytes(b"x" * 20_000 + b"\n\nthe \xff end\n\n")
    assert last_lines(file, 1) == ["the \ufffd end"]


def test_the_reason_of_a_failure_is_the_last_error(tmp_path: Path) -> None:
    job = Job(["seed=0"], {}, RunDirectory(tmp_path))
    job.run.output.write_text("error: stopped by SIGTERM\nstart 2\nerror: a\nerror: b\nhow to continue\n")
    job.end(1, "exit status 1")
    assert job.reason == "exit status 1\nerror: a\nerror: b\nhow to continue"


def test_overrides_are_shown_as_they_are_spelled(tmp_path: Path) -> None:
    names = ["name=\x1b[2J", "+name=a\nb", "=1"]
    jobs = matched([([name], config(name=name)) for name in names], tmp_path)
    jobs[0].state, jobs[0].reason = "failed", "=HYPERLINK(1)\n\x1b[2J"
    write_table(list(map(Row.of, jobs)), tmp_path / "sweep.csv")
    with (tmp_path / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["overrides"] for row in rows] == ["name=\\x1b[2J", "'+name=a\\nb", "'=1"]
    assert rows[0]["reason"] == "'=HYPERLINK(1)\n\\x1b[2J"
    text = as_text(list(map(Row.of, jobs)), "val/age_mae")
    assert "\x1b" not in text and len(text.splitlines()) == 1 + len(jobs) + 3
