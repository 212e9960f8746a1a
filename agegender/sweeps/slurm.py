"""Jobs of a sweep through SLURM: submitted with submitit, watched with squeue, ended with scancel."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agegender.configuration import job as job_file
from agegender.errors import AgeGenderError
from agegender.processes.interruption import SIGNALS
from agegender.processes.ranks import machine_count, process_count
from agegender.sweeps.jobs import Job
from agegender.sweeps.slurm_task import Task

PERIOD = 5.0  # seconds between two calls of squeue
GRACE = 6.0  # seconds that cancelled jobs have to end, less than the sweep itself has
FAILED = {"BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}
ENDED = {"COMPLETED", *FAILED}
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"}
# Parameters that submitit has for every kind of cluster. The names of the others begin with slurm_.
COMMON = {"nodes", "tasks_per_node", "gpus_per_node", "cpus_per_task", "mem_gb", "timeout_min"}


class SlurmRunner:
    """Runs jobs through SLURM. Those that start together and need the same resources are one array.

    A job that SLURM still has from an earlier start of the sweep is not submitted again but watched.

    Args:
        folder: For the files of submitit. All nodes must see it, as they must see the run directories.
        parallel: Jobs that SLURM has at the same time, running or waiting.
        settings: Those of ``conf/hydra/launcher/slurm.yaml`` that are resources of a job.
        trainers: Arguments of the Trainer of every job.

    Raises:
        AgeGenderError: ``parallel`` is less than 1, a setting is wrong, or there is no SLURM or no submitit.
    """

    def __init__(self, folder: Path, parallel: int, settings: Mapping[str, Any], trainers: Sequence[Mapping[str, Any]]) -> None:
        if not isinstance(parallel, int) or isinstance(parallel, bool) or parallel < 1:
            raise AgeGenderError(f"hydra.launcher.parallel={parallel}: must be an integer of at least 1")
        self.parallel = parallel
        self._folder = folder
        self._settings = settings
        self._new: list[Job] = []
        self._submitted: dict[str, Job] = {}  # by the id of the SLURM job
        self._began: dict[str, float] = {}
        self._next = 0.0
        for trainer in trainers:
            self._executor(resources(settings, trainer))
        states, error = squeue()
        if error:
            raise AgeGenderError(f"hydra/launcher=slurm: squeue fails: {error}")
        self._of_before = {number for number, (state, _) in states.items() if state not in ENDED}

    def start(self, job: Job) -> bool:
        """Submits a job at the next ``poll``, together with others that start until then."""
        number = job.run.read_slurm()
        if number in self._of_before:
            self._submitted[number] = job
        else:
            job_file.write(job.run.job, job.config, job.distinct, job.run.path.parent)
            self._new.append(job)
        return True

    def poll(self) -> list[Job]:
        """Submits what is new and returns the jobs that have ended since the last call.

        Raises:
            AgeGenderError: SLURM rejects a job.
        """
        if self._new:
            self._submit()
        if time.monotonic() < self._next:
            return []
        self._next = time.monotonic() + PERIOD
        states, error = squeue()
        if error:  # as while the controller of SLURM starts again
            print(f"warning: squeue fails, and is called again: {error}", file=sys.stderr)
            return []
        ended = []
        for number, job in list(self._submitted.items()):
            state, status = states.get(number, ("", 0))
            if state and state not in ENDED:
                job.state = "waiting" if state in WAITING else "running"
                if job.state == "running":
                    self._began.setdefault(number, time.monotonic())
            else:
                del self._submitted[number]
                self._end(number, job, state, status)
                ended.append(job)
        return ended

    def terminate(self) -> list[Job]:
        """Cancels all jobs and waits some seconds for their end."""
        deadline = time.monotonic() + GRACE
        if self._submitted:
            print(f"scancel {' '.join(self._submitted)}", file=sys.stderr)
            subprocess.run(["scancel", *self._submitted], check=False)
        while time.monotonic() < deadline:
            states, _ = squeue()
            if all(states.get(number, ("CANCELLED", 0))[0] in ENDED for number in self._submitted):
                break
            time.sleep(0.5)
        for number, job in self._submitted.items():
            job.seconds = self._seconds(number)
        jobs = [*self._submitted.values(), *self._new]
        for job in jobs:
            job.interrupt()
        return jobs

    def _submit(self) -> None:
        groups: dict[tuple[tuple[str, Any], ...], list[Job]] = {}
        for job in self._new:
            groups.setdefault(tuple(resources(self._settings, job.config["trainer"]).items()), []).append(job)
        for needed, jobs in groups.items():
            executor = self._executor(dict(needed))
            with _submission():
                with executor.batch():
                    handles = [executor.submit(Task(job.run.job.resolve())) for job in jobs]
                for job, handle in zip(jobs, handles, strict=True):
                    job.run.write_slurm(handle.job_id)
                    self._submitted[handle.job_id] = job
                    self._new.remove(job)

    def _executor(self, needed: Mapping[str, Any]) -> Any:
        """The executor of submitit for jobs with these resources."""
        try:
            import submitit
        except ImportError as error:
            raise AgeGenderError("hydra/launcher=slurm needs submitit: pip install 'agegender[slurm]'") from error
        own = {key: value for key, value in {**self._settings, **needed}.items() if value is not None}
        own["additional_parameters"] = {"requeue": True, **own["additional_parameters"]}
        # When one task fails, the others of the job would wait for it. srun does not take the number of CPUs over from sbatch.
        own["srun_args"] = ["--kill-on-bad-exit=1", f"--cpus-per-task={own.get('cpus_per_task', 1)}"]
        try:
            executor = submitit.AutoExecutor(self._folder / "%j", cluster="slurm")
            named = {key if key in COMMON else f"slurm_{key}": value for key, value in own.items()}
            executor.update_parameters(name="agegender", **named)
        except (RuntimeError, ValueError, TypeError) as error:
            raise AgeGenderError(f"hydra/launcher=slurm: {error}") from error
        return executor

    def _end(self, number: str, job: Job, state: str, status: int) -> None:
        job.seconds = self._seconds(number)
        if not state:  # SLURM forgets a job some minutes after its end
            state, status = "no longer known to SLURM", int(not job.run.metrics.is_file() and not job.stopped)
        elif state in FAILED:
            status = status or 1
        how = f"SLURM job {number}: {state}" + (f", exit status {status}" if state == "FAILED" else "")
        job.end(status, how, self._folder / number / f"{number}_0_log.err")

    def _seconds(self, number: str) -> float:
        return time.monotonic() - self._began[number] if number in self._began else 0.0


def resources(settings: Mapping[str, Any], trainer: Mapping[str, Any]) -> dict[str, Any]:
    """Machines, tasks and GPUs of a job: those of the settings, else those that the arguments of its Trainer need.

    Args:
        settings: Of the launcher, with ``nodes``, ``tasks_per_node`` and ``gpus_per_node``, each a number or None.
        trainer: Arguments of the Trainer.
    """
    gpus = settings["gpus_per_node"]
    automatic = str(trainer.get("devices", "auto")) in ("auto", "-1")  # this machine may have other devices than the nodes
    tasks = settings["tasks_per_node"] or (gpus or 1 if automatic else process_count(trainer))
    if gpus is None and trainer.get("accelerator") not in ("cpu", "mps"):
        gpus = tasks
    return {"nodes": settings["nodes"] or machine_count(trainer), "tasks_per_node": tasks, "gpus_per_node": gpus or None}


def squeue() -> tuple[dict[str, tuple[str, int]], str]:
    """The state and the exit status of all SLURM jobs of this user, by id.

    Jobs that have ended some minutes ago are no longer among them. ``sacct`` would know them, but needs a database that many
    clusters lack.

    Returns:
        The jobs, and the message of squeue if it fails.
    """
    command = ["squeue", "--me", "--states=all", "--array", "--noheader", "--Format=JobArrayID:|,State:|,exit_code:|"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return {}, str(error)
    if shown.returncode:
        return {}, " ".join(shown.stderr.split())
    jobs = {}
    for line in shown.stdout.splitlines():
        number, state, status, *_ = (cell.strip() for cell in line.split("|"))
        code = os.waitstatus_to_exitcode(int(status))
        jobs[number] = state, code if code >= 0 else 128 - code
    return jobs, ""


@contextmanager
def _submission() -> Iterator[None]:
    """Handles signals only after a submission, so that every SLURM job is known; hides variables of a job that this runs in."""
    received: list[int] = []
    handlers = {number: signal.signal(number, lambda one, _: received.append(one)) for number in SIGNALS}
    outer = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SLURM_") and name != "SLURM_CONF"}
    try:
        yield
    except RuntimeError as error:  # submitit's, with the message of sbatch
        raise AgeGenderError(f"hydra/launcher=slurm: SLURM rejects the job: {' '.join(str(error).split())}") from error
    finally:
        os.environ.update(outer)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])
