"""Measures what the driver of a search costs: a search of jobs that return at once.

    python scripts/benchmark_search.py                          # 1,000 trials, SQLite
    python scripts/benchmark_search.py --trials 10000 --storage postgresql://...

Prints for 100, 1,000, 10,000 ... trials: seconds to ask for a trial, CPU seconds of the driver for a whole trial (ask, check,
three epochs reported, tell, table), size of the database, memory. The time that Hydra needs to compose a job does not depend on
the number of trials, so it is measured once and not repeated for every trial.
"""

import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measurements import Row, Tables, command

from agegender.configuration.command import compose
from agegender.sweeps.driver import run_jobs
from agegender.sweeps.jobs import Job
from agegender.sweeps.search.space import read_space
from agegender.sweeps.search.storage import database_url, open_storage
from agegender.sweeps.search.study import SharedStudy
from agegender.sweeps.search.trials import Trials
from agegender.sweeps.table import Display

SPACE = ["optimizer.lr=tag(log,interval(1e-4,1e-2))", "optimizer.weight_decay=interval(0.0,0.1)",
         "loader.batch_size=range(8,65,8)", "head.sigma=interval(1.0,5.0)", "augment=choice(none,flip)"]  # fmt: skip
EPOCHS = 3
LAST = 50  # trials that each line is a mean of


class Instant:
    """Runs jobs that end at once, with a history of a few epochs."""

    def __init__(self, parallel: int) -> None:
        self.parallel = parallel
        self._ended: list[Job] = []

    def start(self, job: Job) -> bool:
        score = abs(job.config["optimizer"]["lr"] - 2e-3) * 1000 + abs(job.config["head"]["sigma"] - 2)
        job.run.write_history([{"epoch": epoch, job.config["monitor"]: score + 1 / (1 + epoch)} for epoch in range(EPOCHS)])
        job.run.metrics.touch()
        self._ended.append(job)
        return True

    def poll(self) -> Sequence[Job]:
        ended, self._ended = self._ended, []
        for job in ended:
            job.end(0, "")
        return ended

    def terminate(self) -> Sequence[Job]:
        return []


class Timed(SharedStudy):
    """Notes how long each question takes, and when it was asked."""

    def ask(self, distributions: Any) -> Any:
        began = time.perf_counter()
        asked = super().ask(distributions)
        if asked:
            self.asks = [*getattr(self, "asks", [])[-LAST:], time.perf_counter() - began]
        return asked


def measure(tables: Tables, trials: int, parallel: int, storage: str | None) -> None:
    base = compose(["test=false", "logger=none"])
    began = time.process_time()
    for number in range(10):
        compose([f"seed={number}"])
    tables.add("composing", "composing a job", [{"CPU s": (time.process_time() - began) / 10}])

    def configure(overrides: list[str]) -> dict[str, Any]:
        given = dict(override.split("=") for override in overrides)
        optimizer = {
            **base["optimizer"],
            "lr": float(given["optimizer.lr"]),
            "weight_decay": float(given["optimizer.weight_decay"]),
        }
        return {
            **base, "optimizer": optimizer, "head": {**base["head"], "sigma": float(given["head.sigma"])},
            "loader": {**base["loader"], "batch_size": int(given["loader.batch_size"])},
        }  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder) / "sweep"
        url = database_url(storage, sweep)
        rows: list[Row] = []
        study = Timed(open_storage(url, 15), f"benchmark {time.time()}", trials, 15)
        space = read_space(SPACE)
        with open("/dev/null", "w") as nowhere:
            jobs = Trials(study, space, [0], configure, sweep, Display(nowhere))
            steps = sorted({trials, *(10**power for power in range(2, 9) if 10**power < trials)})
            done, used = 0, time.process_time()

            def ended(job: Job) -> None:
                nonlocal done, used
                jobs.ended(job)
                done += 1
                if done + LAST in steps:
                    used = time.process_time()
                if done in steps:
                    cpu = (time.process_time() - used) / min(done, LAST)
                    files = sum(file.stat().st_size for file in sweep.glob("study.sqlite3*"))
                    size = files / 1024 / done if storage is None else None
                    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                    rows.append({"trials": done, "s an ask": sum(study.asks) / len(study.asks), "CPU s a trial": cpu,
                                 "KB a trial": size, "memory, MB": memory})  # fmt: skip

            run_jobs(jobs.jobs(), Instant(parallel), jobs.epoch, ended, jobs.poll)
        tables.add("search", "the driver of a search", rows)


if __name__ == "__main__":
    parser = command(__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--parallel", type=int, default=10, help="jobs at the same time")
    parser.add_argument("--storage", help="URL of a database, or the name of an environment variable; SQLite without it")
    arguments = parser.parse_args()
    results = Tables()
    measure(results, arguments.trials, arguments.parallel, arguments.storage)
    results.write(arguments.json)
