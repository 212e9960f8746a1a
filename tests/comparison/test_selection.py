"""The ranking of a sweep, and the printed command that tests its winner, which is run here."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agegender.compare import main
from agegender.comparison.discovery import read
from agegender.comparison.selection import command_that_tests, on_validation, ranked, selections
from agegender.comparison.tables import TextTable, as_text
from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.jobs import Job
from agegender.sweeps.table import COLUMNS, Row, write_table
from agegender.train import train


def job(sweep: Path, directory: str, state: Any = "done", reason: str = "") -> Job:
    run = RunDirectory(sweep / directory)
    config = run.read_config() if run.config.is_file() else {"monitor": "val/age_mae"}
    return Job([f"n={directory}"], config, run, state, reason=reason)


@pytest.fixture
def write_sweep(write_run: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Writes a sweep of runs with given scores: ``write_sweep({"0": (4.0, {"seed": 1})})``."""

    def write(runs: dict[str, tuple[float, dict[str, Any]]], *others: tuple[str, str, str]) -> Path:
        sweep = tmp_path / "sweep"
        for name, (score, settings) in runs.items():
            folder = write_run(f"sweep/{name}", [1.0, 2.0], monitor="val/age_mae", **settings)
            rows = "\n".join(f"{epoch},60,{value},9" for epoch, value in enumerate((score + 2, score, score + 1)))
            (folder / "history.csv").write_text(f"epoch,seconds,val/age_mae,train/age_mae\n{rows}\n")
            metrics = json.loads((folder / "metrics.json").read_text())
            metrics["tested"] = "val"
            metrics["val"] = metrics.pop("test")
            (folder / "metrics.json").write_text(json.dumps(metrics))
            (folder / "predictions.parquet").unlink()
        jobs = [job(sweep, name) for name in runs]
        write_table([Row.of(one) for one in [*jobs, *(job(sweep, *other) for other in others)]], sweep / "sweep.csv")
        return sweep

    return write


def runs_of(sweep: Path) -> list[Any]:
    return [read(path) for path in sorted(sweep.iterdir()) if path.is_dir()]


WIDE = {"head": {"_target_": "agegender.heads.dldl.DLDL", "sigma": 4.0}}
NARROW = {"head": {"_target_": "agegender.heads.dldl.DLDL", "sigma": 1.0}}


def test_configurations_are_ranked_by_the_mean_of_their_best_epochs_over_seeds(write_sweep: Any) -> None:
    sweep = write_sweep({
        "0": (3.0, {**WIDE, "seed": 0}), "1": (7.0, {**WIDE, "seed": 1}),
        "2": (4.0, {**NARROW, "seed": 0}), "3": (5.0, {**NARROW, "seed": 1}),
    })  # fmt: skip
    first, second = ranked(runs_of(sweep))
    assert ([run.path.name for run in first.row.runs], first.scores) == (["2", "3"], [4.0, 5.0])
    assert ([run.path.name for run in second.row.runs], second.scores) == (["0", "1"], [3.0, 7.0])
    assert first.row.name == "head.sigma=1.0"


def test_a_configuration_without_all_seeds_is_ranked_last_and_failed_jobs_are_named(write_sweep: Any) -> None:
    sweep = write_sweep(
        {"0": (6.0, {**WIDE, "seed": 0}), "1": (7.0, {**WIDE, "seed": 1}), "2": (4.0, {**NARROW, "seed": 0})},
        ("3", "failed", "exit status 2\nbefore\nerror: the loss is nan"), ("4", "waiting", ""),
    )  # fmt: skip
    [section], _ = selections([sweep], runs_of(sweep))
    text = as_text([section])
    assert "5 jobs, 3 done, 1 failed, 1 waiting" in section.heading
    [table] = [block for block in section.content if isinstance(block, TextTable)]
    assert [row[-1] for row in table.rows] == ["0 1", "2"]
    assert "Configurations with fewer than 2 seeds are ranked last." in text
    assert "failed: 3 (n=3): exit status 2; error: the loss is nan" in text
    assert "waiting: 4 (n=4)" in text
    assert f"resume={sweep / '0'} resume={sweep / '1'}; do" in text


def test_jobs_with_different_monitors_are_not_ranked(write_sweep: Any) -> None:
    sweep = write_sweep({"0": (3.0, {}), "1": (4.0, {})})
    config = (sweep / "1" / "config.yaml").read_text()
    (sweep / "1" / "config.yaml").write_text(config.replace("val/age_mae", "val/loss"))
    [section], _ = selections([sweep], runs_of(sweep))
    assert "Not ranked, because the jobs have different monitors: val/age_mae, val/loss." in section.content
    assert "python -m" not in as_text([section])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",".join(COLUMNS) + "\ndone\n", "\xff\x00"])
def test_a_foreign_table_is_refused_by_name(text: str, write_sweep: Any) -> None:
    sweep = write_sweep({"0": (3.0, {})})
    (sweep / "sweep.csv").write_text(text, encoding="latin-1")
    with pytest.raises(AgeGenderError, match=r"sweep\.csv: (not the table of a sweep|cannot be read)"):
        selections([sweep], runs_of(sweep))


def test_the_command_needs_quotes_only_for_special_characters(write_run: Any, tmp_path: Path) -> None:
    plain, special = (read(write_run(name, [1.0])) for name in ("a/0", "it's, a=b/0"))
    assert command_that_tests([plain]) == f"python -m agegender.train resume={tmp_path}/a/0 test=true"
    printed = subprocess.run(
        ["bash", "-c", f"python() {{ printf '%s\\n' \"$@\"; }}; {command_that_tests([plain, special])}"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert printed[2] == f"resume={tmp_path}/a/0" and printed[6] == f"resume='{tmp_path}/it\\'s, a=b/0'"


@pytest.fixture(scope="module")
def trained(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two heads and two seeds that left the test split alone, in a directory with special characters."""
    small = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8", "trainer.max_epochs=2"]
    sweep = tmp_path_factory.mktemp("trained") / "a sweep, x=1"
    jobs = []
    for number, (head, seed) in enumerate([("dldl", 0), ("dldl", 1), ("regression", 0), ("regression", 1)]):
        overrides = [f"head={head}", f"seed={seed}", "split.seed=0"]
        config = compose(["data=utkface", f"data.root={faces}", *small, "logger=none", "test=false", *overrides])
        train(config, RunDirectory(sweep / str(number)))
        jobs.append(Job(overrides, config, RunDirectory(sweep / str(number)), "done"))
    write_table(list(map(Row.of, jobs)), sweep / "sweep.csv")
    return sweep


def test_the_printed_command_tests_the_winner_which_stays_the_winner(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(trained)])
    before = capsys.readouterr().out
    with (trained / "sweep.csv").open() as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    winners, losers = (["0", "1"], ["2", "3"]) if sum(scores[:2]) < sum(scores[2:]) else (["2", "3"], ["0", "1"])
    [command] = [line for line in before.splitlines() if "agegender.train" in line]
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent), "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", "-c", f'python() {{ "$PYTHON" "$@"; }}; {command}'],
        env=environment, cwd=trained.parent, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = {name: json.loads((trained / name / "metrics.json").read_text()) for name in "0123"}
    assert all(metrics[name]["tested"] == "test" for name in winners)
    assert all("test" not in metrics[name] for name in losers)

    main([str(trained)])
    after = capsys.readouterr().out
    mae = sum(metrics[name]["test"]["age_mae"] for name in winners) / 2
    assert f"The winner is tested: MAE {mae:.2f}, " in after and "agegender.train" not in after
    table = before[before.index("val faces of") : before.index("How to read")]  # all rows, on validation, as before
    assert table in after


def test_a_tested_run_is_seen_on_validation_with_its_baseline(trained: Path) -> None:
    """The view has the metrics that the run had before it was tested."""
    run = next(run for run in runs_of(trained) if run.tested == "val")
    tested = {**run.metrics, "tested": "test", "test": {**run.metrics["val"], "age_mae": 0.0}, "baseline": {}}
    view = on_validation(replace(run, metrics=tested))
    assert view.tested == "val" and view.metric("age_mae") == run.metrics["val"]["age_mae"] != 0
    assert view.test_set == run.test_set
    assert view.metrics["baseline"] == run.metrics["baseline"]
