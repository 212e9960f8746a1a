"""What SLURM runs for a job of a sweep: one task for each rank, which starts the training and requeues the job."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agegender.errors import AgeGenderError
from agegender.processes.ranks import LAUNCHER
from agegender.runs.run_directory import RunDirectory

TIME_LIMIT = signal.SIGUSR2  # the signal that submitit asks SLURM to send some time before the time of a job is over
PORTS = range(20000, 32000)  # below those that systems give to outgoing connections


class Task:
    """Trains the job of a file as one of its ranks. submitit pickles it and calls it in each task of the SLURM job.

    The training runs in a process of its own, which gets the signals of the task. If SLURM announces the end of the job, the
    task of rank 0 waits for the training to end and requeues the job. When SLURM starts the job again, the training continues
    from its last checkpoint. After its time limit a job is requeued only if it has finished an epoch since its last start.

    Args:
        file: ``job.yaml`` in the run directory of the job.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self) -> None:
        """Ends the process with the exit status of the training, 128 + N for signal N."""
        run = RunDirectory(self.file.parent)
        before, received = _epochs(run), set[int]()
        with run.output.open("ab") as output:
            os.dup2(output.fileno(), sys.stdout.fileno())
            os.dup2(output.fileno(), sys.stderr.fileno())
        first = os.environ["SLURM_PROCID"] == "0"
        if first:
            start = int(os.environ.get("SLURM_RESTART_COUNT", "0")) + 1
            print(f"SLURM job {_own_id()} on {os.environ['SLURM_JOB_NODELIST']}, start {start}", flush=True)
        training: subprocess.Popen[bytes] | None = None

        def forward(number: int, _: Any) -> None:
            received.add(number)
            if training:
                training.send_signal(number)

        for number in (signal.SIGTERM, TIME_LIMIT):
            signal.signal(number, forward)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)  # submitit reports each
        training = subprocess.Popen(
            [sys.executable, "-m", "agegender.train", "--job", str(self.file)],
            env={**os.environ, **rank_variables(os.environ), LAUNCHER: str(os.getpid())}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        for early in list(received):  # before the training had started
            training.send_signal(early)
        status = training.wait()
        status = status if status >= 0 else 128 - status
        if received and status and not first:
            status = 0  # the task of rank 0 decides; if this one failed, SLURM would end that one before it can requeue
        elif status and TIME_LIMIT in received and _epochs(run) == before:
            print("error: SLURM ends this job before it has finished an epoch since its start, so it is not requeued: it would "
                  "never end. Give it more time with hydra.launcher.timeout_min", flush=True)  # fmt: skip
        elif status and (TIME_LIMIT in received or (signal.SIGTERM in received and is_being_preempted(_own_id()))):
            requeue()
        raise SystemExit(status)


def rank_variables(slurm: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of torchrun for a task of SLURM.

    Args:
        slurm: The environment of the task.
    """
    nodes, tasks = int(slurm["SLURM_JOB_NUM_NODES"]), int(slurm["SLURM_NTASKS"])
    variables = {
        "TORCHELASTIC_RUN_ID": f"slurm-{slurm['SLURM_JOB_ID']}",
        "RANK": slurm["SLURM_PROCID"], "WORLD_SIZE": str(tasks), "GROUP_RANK": slurm["SLURM_NODEID"],
        "LOCAL_RANK": slurm["SLURM_LOCALID"], "LOCAL_WORLD_SIZE": str(tasks // nodes),
        "MASTER_ADDR": slurm["SLURM_LAUNCH_NODE_IPADDR"],  # where srun runs, the node of rank 0
        "MASTER_PORT": str(PORTS[int(slurm["SLURM_JOB_ID"]) % len(PORTS)]),
    }  # fmt: skip
    # Where SLURM does not bind tasks to cores, every rank would start as many threads as the node has cores.
    threads = slurm.get("OMP_NUM_THREADS", slurm.get("SLURM_CPUS_PER_TASK", "1"))
    return {"OMP_NUM_THREADS": threads, **variables}


def is_being_preempted(job: str) -> bool:
    """Whether SLURM has announced that another job takes the place of this one, which has a grace time to end.

    SLURM requeues a preempted job by itself, but not one that ends within its grace time.
    """
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=False).stdout
    return "JobState=RUNNING" in shown and re.search(r"PreemptTime=\d", shown) is not None


def requeue() -> None:
    """Puts this SLURM job back into the queue and prints whether that worked."""
    done = subprocess.run(["scontrol", "requeue", _own_id()], capture_output=True, text=True, check=False)
    said = f"error: not requeued: {done.stderr.strip()}" if done.returncode else "requeued, to continue after the saved epoch"
    print(said, flush=True)


def _own_id() -> str:
    """The id of this SLURM job; that of a job of an array names the array and the place in it."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]


def _epochs(run: RunDirectory) -> int:
    try:
        return len(run.read_history())
    except AgeGenderError:
        return 0
