"""Starts the ranks of a job on this machine and ends all of them when one fails."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agegender.errors import AgeGenderError
from agegender.processes.interruption import Interrupted, remove_deadline
from agegender.processes.ranks import LAUNCHER, RUN_DIR, machine_count, process_count, rank, world_size

GRACE = 20.0  # seconds in which the other ranks may end by themselves; more than their own deadline


def require_one_process(trainer: Mapping[str, Any]) -> None:
    """Rejects several processes for a job that shares its process with the other jobs of a sweep.

    A rank runs the command line of its job. Here this command line is the whole sweep, so every rank would run all jobs.

    Args:
        trainer: Arguments of the Trainer.

    Raises:
        AgeGenderError: The job has more than one process. The message names what works.
    """
    if process_count(trainer) > 1 or machine_count(trainer) > 1 or world_size() > 1:
        raise AgeGenderError(
            "this launcher runs all jobs of a sweep in one process, which cannot start several ranks: use "
            "hydra/launcher=local, or trainer.devices=1"
        )


def launch(module: str, count: int, run_dir: Path) -> int:
    """Runs this command line in one process per rank and waits. If a rank fails, the others are ended.

    Args:
        module: The module to run, as after ``python -m``.
        count: Number of ranks, all on this machine.
        run_dir: The run directory, the same for all ranks.

    Returns:
        The exit status of the job: 0, or the status of the rank that failed first (128 + N for signal N).

    Raises:
        Interrupted: This process got a signal, and rank 0 ended without reporting it. All ranks have ended.
    """
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    common = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": f"agegender-{os.getpid()}", RUN_DIR: str(run_dir), LAUNCHER: str(os.getpid()),
    }  # fmt: skip
    ranks: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            own = {"RANK": str(number), "LOCAL_RANK": str(number)}
            ranks.append(subprocess.Popen(command, env={**os.environ, **common, **own}))
        return _supervise(ranks)
    except Interrupted as stop:
        remove_deadline()
        for process in ranks:
            process.send_signal(stop.number)
        _wait(ranks)
        if ranks and ranks[0].returncode == 128 + stop.number:  # rank 0 has reported the signal itself
            return 128 + stop.number
        raise
    finally:
        for process in ranks:
            if process.poll() is None:
                process.kill()
                process.wait()


def _supervise(ranks: Sequence[subprocess.Popen[bytes]]) -> int:
    """Waits until all ranks have ended, or until one has failed and the others had time to end."""
    while True:
        statuses = [process.poll() for process in ranks]
        # When several ranks have failed, name one that got a signal: the others probably failed because they lost the
        # connection to it.
        if failed := sorted((status, number) for number, status in enumerate(map(_signal_first, statuses)) if status):
            _wait(ranks)
            status, number = failed[0]
            how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            if status != 2:  # with status 2 the rank has printed the error itself
                who = f"process {number} of {len(ranks)} (pid {ranks[number].pid})"
                print(f"error: {who} {how}, so the whole job was ended", file=sys.stderr)
            return status if status > 0 else 128 - status
        if not any(status is None for status in statuses):
            return 0
        time.sleep(0.2)


def _signal_first(status: int | None) -> int | None:
    """The status with -N for signal N also where the process itself ended because of it, with 128 + N."""
    return 128 - status if status and status > 128 else status


def _wait(ranks: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(process.poll() is None for process in ranks):
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_with_launcher() -> None:
    """Ends this rank when the process that started it has died; otherwise it would go on training."""
    launcher = int(os.environ.get(LAUNCHER, os.getppid()))

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        with contextlib.suppress(OSError):  # the terminal may be gone
            message = f"error: the launcher of process {rank()} (pid {launcher}) has died, so this process ends too"
            print(message, file=sys.stderr, flush=True)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-launcher", daemon=True).start()
