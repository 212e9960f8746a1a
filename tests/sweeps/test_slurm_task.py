"""What a task of SLURM does without SLURM: variables of the ranks, and when a job is requeued."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agegender.configuration.paths import CONF
from agegender.processes import ranks
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.slurm_task import is_being_preempted, rank_variables, requeue

SLURM = {
    "SLURM_JOB_ID": "40007", "SLURM_ARRAY_JOB_ID": "40005", "SLURM_ARRAY_TASK_ID": "1", "SLURM_JOB_NUM_NODES": "2",
    "SLURM_NTASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_CPUS_PER_TASK": "4",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.7", "SLURM_JOB_NODELIST": "n[1-2]",
}  # fmt: skip


def test_a_task_is_a_rank_as_torchrun_would_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = rank_variables(SLURM)
    assert variables == {
        "TORCHELASTIC_RUN_ID": "slurm-40007", "RANK": "5", "LOCAL_RANK": "1", "GROUP_RANK": "1", "WORLD_SIZE": "8",
        "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "24007", "OMP_NUM_THREADS": "4",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    trainer = ranks.trainer_arguments({"accelerator": "gpu", "devices": [0, 1, 2, 3], "num_nodes": 2, "strategy": "ddp"})
    assert trainer == {"accelerator": "gpu", "devices": [0, 1, 2, 3], "num_nodes": 2, "strategy": "ddp"}
    assert ranks.trainer_arguments({"devices": 1})["devices"] == 4
    assert rank_variables({**SLURM, "OMP_NUM_THREADS": "3"})["OMP_NUM_THREADS"] == "3"  # the user's own


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that prints the file ``says`` and writes its arguments to the file ``asked``."""
    command = tmp_path / "scontrol"
    command.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {tmp_path}/says\n')
    command.chmod(0o755)
    (tmp_path / "says").touch()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_a_refused_requeue_is_reported(scontrol: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scontrol / "scontrol").write_text("#!/bin/sh\necho 'Requested operation not supported' >&2\nexit 1\n")
    requeue()
    assert capsys.readouterr().out == "error: not requeued: Requested operation not supported\n"


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("JobState=RUNNING Reason=None\nPreemptTime=2026-11-26T01:34:45", True),
        ("JobState=RUNNING Reason=None\nPreemptTime=None", False),  # cancelled by its user
        ("JobState=COMPLETING Reason=None\nPreemptTime=2026-11-26T01:34:45", False),  # SLURM requeues it by itself
        ("", False),
    ],
)
def test_a_preempted_job_in_its_grace_time_is_recognised(scontrol: Path, says: str, expected: bool) -> None:
    (scontrol / "says").write_text(says)
    assert is_being_preempted("40005_1") is expected


SCRIPT = """
import sys
import time
from pathlib import Path
from agegender.sweeps import slurm_task
sys.executable = sys.argv[2]  # in place of the interpreter that trains
slurm_task.Task(Path(sys.argv[1]))()
"""


GRACE_TIME = "JobState=RUNNING PreemptTime=2026-11-26T01:34:45"


@pytest.mark.parametrize(
    ("rank", "signalled", "epochs", "says", "status", "expected"),
    [
        (0, "USR2", 1, "", 140, "requeued"),
        (0, "USR2", 0, "", 140, "error: SLURM ends this job before it has finished an epoch"),
        (0, "TERM", 0, GRACE_TIME, 143, "requeued"),  # preempted: it may need no more time than it has
        (0, "TERM", 1, "JobState=CANCELLED PreemptTime=None", 143, None),
        (1, "USR2", 1, "", 0, None),  # rank 0 decides, and must not be ended before
        (1, "TERM", 1, GRACE_TIME, 0, None),
        (0, None, 1, "", 3, None),
        (1, None, 1, "", 3, None),
    ],
)
def test_when_a_job_is_requeued(
    scontrol: Path, rank: int, signalled: str | None, epochs: int, says: str, status: int, expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run = RunDirectory(scontrol / "run")
    run.path.mkdir()
    training = scontrol / "training"
    rows = f"printf 'epoch\\n{'0' * epochs}' > {run.history}\n"
    end = "trap 'exit 140' USR2; trap 'exit 143' TERM; echo started; sleep 30 & wait" if signalled else "echo started; exit 3"
    training.write_text(f"#!/bin/sh\n{rows}{end}\n")
    training.chmod(0o755)
    (scontrol / "says").write_text(says)
    monkeypatch.setenv("SLURM_PROCID", str(rank))
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    task = subprocess.Popen([sys.executable, "-c", SCRIPT, run.job, training], env=environment)
    deadline = time.monotonic() + 60
    while "started" not in (run.output.read_text() if run.output.is_file() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if signalled:
        task.send_signal(signal.Signals[f"SIG{signalled}"])
    assert task.wait(timeout=60) == status
    said = run.output.read_text()
    assert said.startswith("SLURM job 40005_1 on n[1-2], start 1\n") == (rank == 0)
    assert (expected in said) if expected else ("requeue" not in said)
    asked = (scontrol / "asked").read_text() if (scontrol / "asked").exists() else ""
    assert ("requeue 40005_1\n" in asked) == (expected == "requeued")
