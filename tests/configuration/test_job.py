"""What Hydra tells a job, in a real single run and in a real sweep."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agegender.configuration import job
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError

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


def test_a_job_of_a_sweep_knows_what_its_file_says(tmp_path: Path) -> None:
    file = tmp_path / "all" / "7" / "job.yaml"
    job.write(file, {"seed": 3}, ["seed=3"], Path("all"))
    [[folder, overrides, sweep]] = told("--job", str(file), cwd=tmp_path)
    assert (Path(folder), overrides, sweep) == (file.parent, ["seed=3"], "all")


@pytest.mark.parametrize("text", ["", "[1]", "config: 5\noverrides: []\nsweep: x", "{", "config: {}"])
def test_a_damaged_file_of_a_job_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(text)
    with pytest.raises(AgeGenderError, match=r"job\.yaml"):
        job.read(file)


def test_the_jobs_of_a_sweep_in_one_process(tmp_path: Path) -> None:
    jobs = told("-m", "hydra/launcher=basic", "seed=3,4", "hydra.sweep.dir=all", cwd=tmp_path)
    assert [Path(folder).relative_to(tmp_path).as_posix() for folder, _, _ in jobs] == ["all/0", "all/1"]
    assert [overrides for _, overrides, _ in jobs] == [["seed=3"], ["seed=4"]]
    assert {sweep for _, _, sweep in jobs} == {"all"}


def test_outside_hydra_there_is_no_sweep() -> None:
    assert job.sweep_dir() is None
