"""Starts jobs of several processes for real and finds all their processes."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agegender.configuration.paths import CONF

MARK = "AGEGENDER_TEST_JOB"


@dataclass
class Job:
    """A running command. All its processes have the same mark in their environment."""

    process: subprocess.Popen[str]
    mark: str

    def pids(self) -> dict[int, dict[str, str]]:
        """Living processes of the job, with their environments."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                items = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            environment = dict(item.split("=", 1) for item in items if "=" in item)
            if environment.get(MARK) == self.mark:
                found[int(folder.name)] = environment
        return found

    def rank(self, number: int) -> int:
        """Process id of a rank. Its data loading workers have the same number, but were started later."""
        same = [pid for pid, environment in self.pids().items() if environment.get("RANK") == str(number)]
        return min(same)

    def output(self, timeout: float = 300) -> str:
        """Waits for the end of the command and returns what it printed."""
        return self.process.communicate(timeout=timeout)[0]


def _start(cwd: Path, *command: str) -> Job:
    mark = uuid.uuid4().hex
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent), MARK: mark}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=environment,
    )  # fmt: skip
    return Job(process, mark)


@pytest.fixture(scope="session")
def start_job() -> Callable[..., Job]:
    """Starts a module in a directory: ``start_job(cwd, module, *arguments)``."""
    return _start


@pytest.fixture(scope="session")
def run_job() -> Callable[..., str]:
    """Runs a module in a directory to its successful end, as ``run_job(cwd, module, *arguments)``; returns its output."""

    def run(cwd: Path, *command: str) -> str:
        job = _start(cwd, *command)
        output = job.output()
        assert job.process.returncode == 0, output
        assert not job.pids()
        return output

    return run
