"""What Hydra tells a job, in a real single run and in a real sweep."""

import json
import os
import subprocess
import sys
from pathlib import Path

from agegender.configuration import job
from agegender.configuration.paths import CONF

TELL = """
import json
from agegender.configuration import job
from agegender.configuration.command import entry

@entry("train")
def main(config):
    print(json.dumps([str(job.output_dir()), job.overrides(), job.sweep_dir()]))

main()
"""


def told(*arguments: str, cwd: Path) -> list[list]:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    (cwd / "tell.py").write_text(TELL)
    output = subprocess.run([sys.executable, "tell.py", *arguments], cwd=cwd, env=environment, check=True, capture_output=True)
    return [json.loads(line) for line in output.stdout.decode().splitlines() if line.startswith("[") and line.endswith("]")]


def test_a_single_run(tmp_path: Path) -> None:
    [[folder, overrides, sweep]] = told("seed=3", "hydra.run.dir=here", cwd=tmp_path)
    assert Path(folder) == tmp_path / "here"
    assert overrides == ["seed=3"]
    assert sweep is None


def test_the_jobs_of_a_sweep(tmp_path: Path) -> None:
    jobs = told("-m", "seed=3,4", "hydra.sweep.dir=all", cwd=tmp_path)
    assert [Path(folder).relative_to(tmp_path).as_posix() for folder, _, _ in jobs] == ["all/0", "all/1"]
    assert [overrides for _, overrides, _ in jobs] == [["seed=3"], ["seed=4"]]
    assert {sweep for _, _, sweep in jobs} == {"all"}


def test_outside_hydra_there_is_no_sweep() -> None:
    assert job.sweep_dir() is None
