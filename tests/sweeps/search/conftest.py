"""Drivers of a search as real processes, with small scripts in place of trainings, and a PostgreSQL server."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

from agegender.configuration.paths import CONF

SERVER = CONF.parent / "scripts" / "postgres_here.sh"

# A job: epochs of a score that depends on the learning rate and the seed. It ends with its driver and obeys the stop file.
JOB = """
import os, pathlib, sys, time
run, lr, epochs, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
parent, file = os.getppid(), run / "history.csv"
rows = file.read_text().splitlines() if file.exists() else ["epoch,val/age_distance"]
print("epochs before:", len(rows) - 1)
for epoch in range(len(rows) - 1, epochs):
    time.sleep(seconds)
    if os.getppid() != parent:
        sys.exit(1)
    rows.append(f"{epoch},{globals().get('worse', lr * 1000) + 10 / (epoch + 1)}")
    partial = run / ".history.partial"
    partial.write_text("\\n".join(rows) + "\\n")
    partial.replace(file)
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "last.ckpt").touch()
    if (run / "stop.txt").exists() and epoch + 1 < epochs:
        sys.exit(0)
(run / "metrics.json").write_text("{}")
"""

DRIVER = """
import json, sys
from pathlib import Path
import optuna
from sqlalchemy.engine import make_url
from agegender.configuration import job as job_file
from agegender.sweeps.driver import run_jobs
from agegender.sweeps.local import LocalRunner
from agegender.sweeps.places import Places
from agegender.sweeps.search.space import read_space
from agegender.sweeps.search.storage import open_storage
from agegender.sweeps.search.study import SharedStudy, identity_of
from agegender.sweeps.search.trials import Trials
from agegender.sweeps.table import Display

given = json.loads(sys.argv[1])
sweep, config = Path(given["sweep"]), given["config"]
space = read_space(["optimizer.lr=tag(log,interval(1e-4,1e-1))"])

def configure(overrides):
    values = dict(one.split("=") for one in overrides)
    lr = float(values["optimizer.lr"])
    return {**config, "optimizer": {**config["optimizer"], "lr": lr}, "seed": int(values.get("seed", 0))}

def command(job):
    job_file.write(job.run.job, job.config, job.overrides, sweep)
    lr = job.config["optimizer"]["lr"] * (1 + job.config["seed"])
    return [sys.executable, "-c", given["job"], str(job.run.path), str(lr), str(given["epochs"]), str(given["seconds"])]

pruner = getattr(optuna.pruners, given["pruner"])(**given["settings"])
beat = given["heartbeat"]
study = SharedStudy(open_storage(make_url(given["url"]), beat), "study", given["n_trials"], beat, pruner=pruner)
study.require_same(identity_of(space.distributions, []))
trials = Trials(study, space, given["seeds"], configure, sweep, Display())
status = run_jobs(trials.jobs(), LocalRunner(Places(2, [], 2), command), trials.epoch, trials.ended, trials.poll)
study.ask_all_again()
trials.write_table()
raise SystemExit(status)
"""


@pytest.fixture
def drive(configure: Callable[..., dict[str, Any]]) -> Callable[..., subprocess.Popen[str]]:
    """Starts a driver with two places: ``drive(sweep, url, n_trials=4)``. Each job runs the code ``before`` first."""
    config = configure("test=false")

    def drive(sweep: Path, url: str, n_trials: int = 4, epochs: int = 2, seconds: float = 0.1, seeds: tuple[int, ...] = (0,),
              before: str = "", heartbeat: int = 10, pruner: str = "NopPruner",
              **settings: int) -> subprocess.Popen[str]:  # fmt: skip
        given = {"sweep": str(sweep), "url": url, "n_trials": n_trials, "epochs": epochs, "seconds": seconds, "seeds": seeds,
                 "config": config, "heartbeat": heartbeat, "pruner": pruner, "settings": settings,
                 "job": f"{before}\n{JOB}"}  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(given)], env={**os.environ, "PYTHONPATH": str(CONF.parent)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    return drive


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server; tests that need it are skipped where it cannot be started."""
    folder = Path(gettempdir()) / f"agegender-postgres-{os.getpid()}-{time.time_ns()}"
    started = subprocess.run([SERVER, "start", folder], capture_output=True, text=True, timeout=120, check=False)
    if started.returncode:
        pytest.skip(f"no PostgreSQL server here: {started.stderr.strip()}")
    yield started.stdout.strip()
    subprocess.run([SERVER, "stop", folder], check=True, timeout=120)
