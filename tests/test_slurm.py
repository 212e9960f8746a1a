"""A sweep through SLURM, with stand-ins for its commands that run the submitted script here, in processes of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs pip install 'agegender[slurm]'")

SBATCH = """#!/bin/bash
# Runs the script in the background, a task of the array after the other, and says what sbatch says.
cp "$1" "$SUBMITTED"
export SLURM_JOB_ID=77 SLURM_ARRAY_JOB_ID=77 SLURM_NTASKS=1 SLURM_NNODES=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0
export SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_JOB_NODELIST=localhost SLURM_NODELIST=localhost SLURM_JOB_NAME=train
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$SUBMITTED")
(for task in $(seq 0 "${last:-0}"); do SLURM_ARRAY_TASK_ID=$task bash "$SUBMITTED"; done
touch "$SUBMITTED.done") > "$SUBMITTED.log" 2>&1 &
echo Submitted batch job 77
"""
SRUN = """#!/bin/bash
while [[ "$1" == -* ]]; do [[ "$1" == --output || "$1" == --error ]] && shift; shift; done
exec "$@"
"""
SACCT = """#!/bin/bash
[ -e "$SUBMITTED.done" ] && state=COMPLETED || state=RUNNING
printf 'JobID|State|NodeList\\n77_0|%s|here\\n77_1|%s|here\\n' $state $state
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the commands on the path; returns the file that a submitted script is copied to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in ("sbatch", SBATCH), ("srun", SRUN), ("sacct", SACCT), ("scontrol", "#!/bin/bash\n"):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SUBMITTED", str(tmp_path / "submitted.sh"))
    return tmp_path / "submitted.sh"


def test_a_sweep_asks_for_what_the_paper_used_and_trains(cluster: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "agegender.train", "-m", "hydra/launcher=slurm", f"hydra.sweep.dir={tmp_path}/sweep",
        "hydra.launcher.partition=gpu", "head=dldl,regression", "image_size=32", "backbone.widths=[4,8]",
        "trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1",
        "data.sources.toyfaces.n=60", f"data.root={tmp_path}/faces", f"loader.cache_dir={tmp_path}/cache",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    logs = "\n".join(path.read_text() for path in (tmp_path / "sweep/.submitit").rglob("*_log.*"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)", cluster.read_text(), re.M))
    wanted = {"gpus-per-node": "1", "cpus-per-task": "2", "mem": "16GB", "time": "1440", "nodes": "1", "partition": "gpu"}
    assert {key: asked.get(key) for key in wanted} == wanted
    runs = sorted((tmp_path / "sweep").glob("[0-9]*"))
    assert [run.name for run in runs] == ["0", "1"]
    assert all(json.loads((run / "metrics.json").read_text())["test"]["n"] for run in runs)
