"""Searches from the command line: real trainings, mistakes, an Optuna that is not installed."""

import csv
import errno
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.search.run import disk_errors
from agegender.sweeps.search.settings import SearchSettings

TINY = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8", "loader.num_workers=0", "logger=none"]
LR, HEAD = "optimizer.lr=tag(log,interval(1e-4,1e-1))", "head=choice(dldl,coral)"
PASSWORD = "s3cret-w0rd"
URL = f"postgresql://me:{PASSWORD}@127.0.0.1:9/db"

# Each rank writes what it trains with: its optimizer and its head, when the training starts.
SITE = """
import importlib.abc, importlib.util, json, os, pathlib, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "agegender.training.module":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def execute_and_patch(module):
            execute(module)
            start = module.AgeGenderModule.on_train_start
            def write(self):
                start(self)
                lr, head = self.optimizers().param_groups[0]["initial_lr"], type(self.network.heads["age"]).__name__
                folder = pathlib.Path(self.trainer.default_root_dir)
                (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps({"lr": lr, "head": head}))
            module.AgeGenderModule.on_train_start = write
        spec.loader.exec_module = execute_and_patch
        return spec

sys.meta_path.insert(0, Finder())
"""


def run(
    faces: Path, sweep: Path, *overrides: str, site: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agegender.train", "-m", "hydra/sweeper=optuna", "data=utkface", f"data.root={faces}",
               *TINY, f"hydra.sweep.dir={sweep}", *overrides]  # fmt: skip
    path = os.pathsep.join(map(str, [*([site] if site else []), CONF.parent]))
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path, **variables}, cwd=sweep.parent, capture_output=True,
                          text=True, timeout=300, check=False)  # fmt: skip


def table(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_with_jobs_of_two_ranks(faces: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    overrides = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_epochs=2", LR, HEAD]  # fmt: skip
    done = run(faces, sweep, *overrides, "hydra.sweeper.n_trials=2", site=tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = table(sweep)
    assert [(row["state"], row["directory"]) for row in rows] == [("done", "0"), ("done", "1")]
    for row in rows:
        asked = dict(override.split("=") for override in row["overrides"].split())
        expected = {"lr": float(asked["optimizer.lr"]), "head": {"dldl": "DLDL", "coral": "CORAL"}[asked["head"]]}
        folder = sweep / row["directory"]
        ranks = [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]
        assert ranks == [expected, expected]
        job = RunDirectory(folder)
        assert job.read_config()["optimizer"]["lr"] == expected["lr"]
        assert float(row["score"]) == pytest.approx(min(epoch["val/age_distance"] for epoch in job.read_history()))
        assert job.read_metrics()["tested"] == "val" and "test" not in job.read_metrics()
    assert len({row["overrides"] for row in rows}) == 2

    best = min(rows, key=lambda row: float(row["score"]))
    assert f"best: val/age_distance {float(best['score']):.4f}  {best['overrides']}" in done.stdout
    assert f"train it again: python -m agegender.train --config-dir {sweep} experiment=best" in done.stdout
    for name in ("history.png", "parallel_coordinates.png"):
        assert (sweep / name).stat().st_size > 5000
    again = [sys.executable, "-m", "agegender.train", "--config-dir", str(sweep), "experiment=best", "hydra.run.dir=run"]
    trained = subprocess.run(again, env={**os.environ, "PYTHONPATH": str(CONF.parent)}, cwd=tmp_path, capture_output=True,
                             text=True, timeout=300, check=False)  # fmt: skip
    assert trained.returncode == 0, trained.stdout + trained.stderr
    winner = RunDirectory(tmp_path / "run")
    before = RunDirectory(sweep / best["directory"]).read_config()
    assert winner.read_config() == {**before, "test": True} and winner.read_metrics()["test"]["n"] > 0
    assert read_checkpoint(winner.last)["hyper_parameters"]["seed"] == 0

    # The same directory and another search: refused before any job starts.
    other = run(faces, sweep, *overrides, "optimizer.weight_decay=0.5")
    assert other.returncode == 2 and "the study belongs to another search. fixed overrides" in other.stderr
    assert "Traceback" not in done.stdout + done.stderr + other.stdout + other.stderr


def test_a_password_on_the_command_line_is_neither_printed_nor_written(faces: Path, tmp_path: Path, postgres: str) -> None:
    password = postgres.split("@")[0].rpartition(":")[2]
    overrides = [LR, "trainer.max_epochs=1", "hydra.sweeper.n_trials=1", "hydra.sweeper.study=faces"]
    done = run(faces, tmp_path / "sweep", *overrides, f"hydra.sweeper.storage='{postgres}'")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["state"] for row in table(tmp_path / "sweep")] == ["done"]
    again = run(faces, tmp_path / "other", *overrides, "optimizer.weight_decay=0.5", "hydra.sweeper.storage=DB", DB=postgres)
    assert again.returncode == 2 and "hydra.sweeper.study=faces: the study belongs to another search" in again.stderr
    assert password not in "".join([done.stdout, done.stderr, again.stdout, again.stderr])
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 10 and [file for file in files if password.encode() in file.read_bytes()] == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer.lr=interval(1e-3)"], "missing a required argument: 'end'"),
        (["head=choice(dldl)"], "head=choice(dldl): the choice has one value"),
        (["head=choice(dldl,dlld)"], "Could not find 'head/dlld'"),
        (["trainer.max_epochs=range(0,3)"], "trainer.max_epochs=0"),
        ([LR, "test=true"], "test=true: a search selects a model"),
        ([LR, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: must be an integer of at least 1"),
        (["seed=choice(1,2)", "hydra.sweeper.seeds=2"], "hydra.sweeper.seeds=2: seed must have one value"),
        ([LR, "hydra/launcher=basic"], "hydra/launcher: it cannot run the jobs of a search. Allowed: local, slurm"),
        ([LR, f"hydra.sweeper.storage='{URL}'", "hydra.sweeper.study=s"], "cannot be opened: connection failed"),
        ([LR, f"hydra.sweeper.storag='{URL}'"], "Key 'storag' is not in struct"),
        ([LR, "hydra.sweeper.pruner.n_startup_trials=-1"], "hydra.sweeper.pruner: optuna.pruners.MedianPruner rejects"),
        ([LR, "hydra.sweeper.sampler._target_=os.system"], "refusing to instantiate 'os.system'"),
        ([LR, "hydra/sweeper=optun"], "Could not find 'hydra/sweeper/optun'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_error_before_anything_is_written(
    faces: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    done = run(faces, tmp_path / "sweep", *overrides)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr and PASSWORD not in done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.sqlite3")) and not list(tmp_path.rglob("*.yaml"))


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    message = r"sweep.csv: No space left on device\. The same command continues the search"
    with pytest.raises(AgeGenderError, match=message), disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "sweep.csv"))
    with pytest.raises(AgeGenderError, match=rf"{tmp_path}: No space left"), disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_without_optuna_the_error_says_what_to_install(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'optuna' else find(name, *more)\n"
    )
    done = run(faces, tmp_path / "sweep", LR, site=tmp_path / "site")
    assert (done.returncode, done.stderr) == (2, "error: hydra/sweeper=optuna needs Optuna: pip install 'agegender[sweep]'\n")


def test_the_plugin_does_not_import_optuna(tmp_path: Path) -> None:
    code = (
        "import sys, hydra_plugins.agegender_optuna_sweeper; print([m for m in ('optuna', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(CONF.parent)}, text=True,
                          capture_output=True, check=True)  # fmt: skip
    assert done.stdout == "[]\n"


def test_the_yaml_file_lists_every_setting() -> None:
    content = yaml.safe_load((CONF / "hydra" / "sweeper" / "optuna.yaml").read_text())
    groups = {next(iter(one)) for one in content.pop("defaults") if isinstance(one, dict)}
    assert {key for key in content if not key.startswith("_")} | groups == {field.name for field in fields(SearchSettings)}
