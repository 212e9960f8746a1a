"""What a task of SLURM does without SLURM: variables of the ranks, and when a job is requeued."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agegender.configuration.paths import CONF
from agegender.processes import ranks
from agegender.sweeps.slurm_task import is_being_preempted, rank_variables, requeue_after

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


def test_a_job_is_requeued_only_if_it_has_made_progress(scontrol: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requeue_after(0)
    assert capsys.readouterr().out.startswith("error: SLURM ends this job before its first epoch is finished")
    assert not (scontrol / "asked").exists()
    requeue_after(3)
    assert (scontrol / "asked").read_text() == "requeue 40005_1\n"
    assert capsys.readouterr().out == "requeued, to continue after the saved epoch\n"


def test_a_refused_requeue_is_reported(scontrol: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scontrol / "scontrol").write_text("#!/bin/sh\necho 'Requested operation not supported' >&2\nexit 1\n")
    requeue_after(1)
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
from pathlib import Path
from agegender.sweeps import slurm_task
sys.executable = sys.argv[2]  # in place of the interpreter that trains
slurm_task.Task(Path(sys.argv[1]))()
"""


@pytest.mark.parametrize(("rank", "signalled", "status"), [("0", True, 140), ("1", True, 0), ("0", False, 3), ("1", False, 3)])
def test_after_a_signal_only_the_task_of_rank_zero_fails(
    scontrol: Path, rank: str, signalled: bool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = scontrol / "training"
    training.write_text(
        "#!/bin/sh\ntrap 'exit 140' USR2\necho started $RANK\n" + ("sleep 30 & wait" if signalled else "exit 3")
    )
    training.chmod(0o755)
    monkeypatch.setenv("SLURM_PROCID", rank)
    run = scontrol / "run"
    run.mkdir()
    task = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, run / "job.yaml", training], env={**os.environ, "PYTHONPATH": str(CONF.parent)}
    )
    output = run / "output.txt"
    while f"started {rank}" not in (output.read_text() if output.is_file() else ""):
        assert task.poll() is None or not signalled
    if signalled:
        task.send_signal(signal.SIGUSR2)
    assert task.wait(timeout=60) == status
    assert ("before its first epoch is finished" in output.read_text()) == (signalled and rank == "0")
    assert output.read_text().startswith("SLURM job 40005_1 on n[1-2], start 1\n") == (rank == "0")
