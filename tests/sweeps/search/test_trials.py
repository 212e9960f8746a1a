"""Trials become jobs, and jobs become scores: over restarts, with several drivers, with jobs that fail or are killed."""

import csv
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from agegender.configuration import job as job_file
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.search.study import SURPLUS, slot_of
from agegender.sweeps.search.trials import own_directory

Drive = Callable[..., subprocess.Popen[str]]


def table(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def ended(driver: subprocess.Popen[str], status: int = 0) -> str:
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == status, output
    return output


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/study.sqlite3"


def slots(url: str) -> list[int]:
    """The slot of each trial that was made."""
    trials = optuna.load_study(study_name="study", storage=url).get_trials(deepcopy=False)
    return [slot_of(trial) for trial in trials if SURPLUS not in trial.user_attrs]


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_search_and_the_same_again_with_more_trials(drive: Drive, tmp_path: Path) -> None:
    sweep, url = tmp_path / "sweep", sqlite(tmp_path)
    (sweep / "1").mkdir(parents=True)
    (sweep / "1" / "of somebody else").touch()
    ended(drive(sweep, url, n_trials=3))
    rows = table(sweep)
    assert [(row["directory"], row["state"], row["status"]) for row in rows] == [
        ("0", "done", "0"), ("1.1", "done", "0"), ("2", "done", "0")
    ]  # fmt: skip
    for row in rows:
        run = RunDirectory(sweep / row["directory"])
        lr = float(row["overrides"].partition("=")[2])
        assert job_file.read(run.job)["config"]["optimizer"]["lr"] == lr
        assert float(row["score"]) == pytest.approx(lr * 1000 + 5)
    again = ended(drive(sweep, url, n_trials=3))
    assert "done" not in again  # nothing was left to do
    ended(drive(sweep, url, n_trials=5))
    assert [row["directory"] for row in table(sweep)] == ["0", "1.1", "2", "3", "4"]
    assert table(sweep)[:3] == rows


def test_two_drivers_that_start_together_make_no_trial_too_many_on_sqlite(drive: Drive, tmp_path: Path) -> None:
    share(drive, tmp_path, sqlite(tmp_path))


def test_two_drivers_that_start_together_make_no_trial_too_many_on_postgresql(
    drive: Drive, tmp_path: Path, postgres: str
) -> None:
    share(drive, tmp_path, postgres.replace("postgresql://", "postgresql+psycopg://"))


def share(drive: Drive, folder: Path, url: str) -> None:
    sweeps = [folder / "first", folder / "second"]
    drivers = [drive(sweep, url, n_trials=9, seconds=0.6) for sweep in sweeps]
    for driver in drivers:
        ended(driver)
    assert sorted(slots(url)) == list(range(9))
    made = Counter(run.parent.name for sweep in sweeps for run in sweep.glob("*/metrics.json"))
    assert made == {str(number): 1 for number in range(9)}
    assert [row["state"] for row in table(sweeps[0])] == ["done"] * 9 == [row["state"] for row in table(sweeps[1])]


def test_a_killed_driver_is_continued_by_the_same_command(drive: Drive, tmp_path: Path) -> None:
    sweep, url = tmp_path / "sweep", sqlite(tmp_path)
    for epochs in (1, 4):  # killed twice, once in the first epochs of its jobs, once in later ones
        driver = drive(sweep, url, n_trials=4, epochs=12, seconds=0.3, heartbeat=1)
        wait_for(lambda: sum(len(RunDirectory(run).read_history()) > epochs for run in sweep.glob("?")) >= 2)  # noqa: B023
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    ended(drive(sweep, url, n_trials=4, epochs=12, heartbeat=1))
    assert [(row["state"], row["directory"]) for row in table(sweep)] == [("done", str(number)) for number in range(4)]
    assert len(slots(url)) > 4 and set(slots(url)) == {0, 1, 2, 3}  # some points were asked again, at the same slots
    before = [int(line.rpartition(" ")[2]) for run in sweep.glob("?") for line in (run / "output.txt").read_text().splitlines()]
    assert max(before) > 4 and sum(epochs > 0 for epochs in before) >= 2  # the others went on after their last epoch
    for run in sweep.glob("?"):
        assert [row["epoch"] for row in RunDirectory(run).read_history()] == list(range(12))


def test_an_interrupted_driver_gives_its_trials_back(drive: Drive, tmp_path: Path) -> None:
    sweep, url = tmp_path / "sweep", sqlite(tmp_path)
    driver = drive(sweep, url, n_trials=2, epochs=50, seconds=0.2)
    wait_for(lambda: len(list(sweep.glob("?/history.csv"))) == 2)
    driver.send_signal(signal.SIGTERM)
    ended(driver, 143)
    assert [row["state"] for row in table(sweep)] == ["waiting", "waiting"]
    ended(drive(sweep, url, n_trials=2, epochs=50, seconds=0.01))
    assert [(row["state"], row["directory"]) for row in table(sweep)] == [("done", "0"), ("done", "1")]


def test_each_seed_of_a_trial_is_a_job_and_the_score_is_the_mean(drive: Drive, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    ended(drive(sweep, sqlite(tmp_path), n_trials=2, seeds=(3, 4, 5)))
    for number, row in enumerate(table(sweep)):
        assert row["directory"].split() == [f"{number}-seed{seed}" for seed in (3, 4, 5)]
        lr = float(row["overrides"].partition("=")[2])
        assert float(row["score"]) == pytest.approx(lr * 1000 * (4 + 5 + 6) / 3 + 5)
        for seed, name in zip((3, 4, 5), row["directory"].split(), strict=True):
            assert job_file.read(RunDirectory(sweep / name).job)["config"]["seed"] == seed


LATER_ONES_ARE_WORSE = """
import pathlib, sys
worse = 100 if int(pathlib.Path(sys.argv[1]).name.split("-")[0]) > 1 else 0
"""


def test_a_pruned_trial_trains_no_other_seed_and_is_no_failure(drive: Drive, tmp_path: Path) -> None:
    sweep, url = tmp_path / "sweep", sqlite(tmp_path)
    pruner = {"pruner": "MedianPruner", "n_startup_trials": 1, "n_warmup_steps": 1}
    ended(drive(sweep, url, n_trials=4, epochs=6, seconds=0.4, seeds=(0, 1), before=LATER_ONES_ARE_WORSE, **pruner))
    rows = table(sweep)
    assert [(row["state"], row["directory"]) for row in rows] == [
        ("done", "0-seed0 0-seed1"), ("done", "1-seed0 1-seed1"), ("pruned", "2-seed0"), ("pruned", "3-seed0")
    ]  # fmt: skip
    for row in rows[2:]:
        run = RunDirectory(sweep / row["directory"])
        assert row["status"] == "0" and row["reason"] == "" and float(row["score"]) > 100
        assert 2 <= len(run.read_history()) < 6 and not run.metrics.exists()
    trials = optuna.load_study(study_name="study", storage=url).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2 + [TrialState.PRUNED] * 2
    assert [len(trial.intermediate_values) for trial in trials[:2]] == [6, 6]


FAIL_FIRST = """
import pathlib, sys
if pathlib.Path(sys.argv[1]).name == "0":
    print("error: no room")
    sys.exit(2)
"""
KILL_ONCE = """
import os, pathlib, sys
mark = pathlib.Path(sys.argv[1]) / "killed"
if mark.parent.name == "1" and not mark.exists():
    mark.touch()
    os.kill(os.getpid(), 9)
"""
KILL_ALWAYS = "import os; os.kill(os.getpid(), 9)"


def test_a_failed_job_is_a_failed_trial_and_a_killed_one_is_asked_again(drive: Drive, tmp_path: Path) -> None:
    sweep, url = tmp_path / "sweep", sqlite(tmp_path)
    output = ended(drive(sweep, url, n_trials=3, before=FAIL_FIRST + KILL_ONCE))
    assert [(row["state"], row["status"]) for row in table(sweep)] == [("failed", "2"), ("done", "0"), ("done", "0")]
    assert [row["directory"] for row in table(sweep)[:2]] == ["0", "1"]
    assert table(sweep)[0]["reason"] == "exit status 2\nerror: no room"
    assert "1  killed by SIGKILL, asked again" in output


def test_a_job_that_is_always_killed_fails_in_the_end(drive: Drive, tmp_path: Path) -> None:
    ended(drive(tmp_path / "sweep", sqlite(tmp_path), n_trials=1, before=KILL_ALWAYS))
    [row] = table(tmp_path / "sweep")
    assert (row["state"], row["status"], row["reason"]) == ("failed", "137", "killed by SIGKILL")
    assert slots(sqlite(tmp_path)) == [0, 0, 0]


def test_a_directory_belongs_to_one_job(tmp_path: Path) -> None:
    config = {"seed": 0, "resume": None}
    assert own_directory(tmp_path, "7", config).path == tmp_path / "7"
    job_file.write(tmp_path / "7" / "job.yaml", {**config, "resume": "x"}, [], tmp_path)
    assert own_directory(tmp_path, "7", config).path == tmp_path / "7"
    assert own_directory(tmp_path, "7", {**config, "seed": 1}).path == tmp_path / "7.1"
