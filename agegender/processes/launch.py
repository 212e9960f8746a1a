"""Starting the ranks of a job on this machine, and ending all of them together."""

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
from agegender.processes.ranks import LAUNCHER, RUN_DIR, rank, wanted, world_size

GRACE = 10.0  # seconds that the other ranks have to end by themselves


def refuse_sweep(trainer: Mapping[str, Any]) -> None:
    """Ends a sweep whose jobs would need several processes each.

    A rank is started with the command line of its job, and that of a sweep's job is the whole sweep: ranks would run
    through it side by side, each with a directory and, with a sampling sweeper, values of its own, and nothing would say so.

    Raises:
        AgeGenderError: Always when a job has more than one process; it names what works.
    """
    if wanted(trainer) > 1 or world_size() > 1:
        raise AgeGenderError(
            "a sweep (-m) runs one process a job. Either give each job one device (trainer=cpu or trainer=gpu, "
            "trainer.devices=1), or start a command of its own for each combination, as in\n"
            "  for seed in 0 1 2; do python -m agegender.train trainer=ddp trainer.devices=2 seed=$seed; done"
        )


def launch(module: str, count: int, run_dir: Path) -> int:
    """Runs this command line once a rank and waits; when a rank fails, the others are ended.

    Args:
        module: What follows ``python -m``.
        count: Number of ranks, all on this machine.
        run_dir: The run directory of all of them.

    Returns:
        The exit status of the job: 0, or that of the rank that failed first (128 + N for signal N).
    """
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    common = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": f"agegender-{os.getpid()}", RUN_DIR: str(run_dir), LAUNCHER: str(os.getpid()),
    }  # fmt: skip
    ranks: list[subprocess.Popen[bytes]] = []
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        for number in range(count):
            own = {"RANK": str(number), "LOCAL_RANK": str(number)}
            ranks.append(subprocess.Popen(command, env={**os.environ, **common, **own}))
        return _supervise(ranks)
    except KeyboardInterrupt as stop:
        for process in ranks:
            process.terminate()
        _wait(ranks)
        print("error: interrupted, so all processes were ended", file=sys.stderr)
        return 128 + (stop.args[0] if stop.args else signal.SIGINT)
    finally:
        for process in ranks:
            if process.poll() is None:
                process.kill()
                process.wait()
        signal.signal(signal.SIGTERM, previous)


def _supervise(ranks: Sequence[subprocess.Popen[bytes]]) -> int:
    """Waits for the end of all ranks, or for the first failure and, for a while, for the end of the others."""
    while True:
        statuses = [process.poll() for process in ranks]
        # A signal comes from outside, while a rank that lost another one fails in consequence: of two, name the former.
        if failed := sorted((status, number) for number, status in enumerate(statuses) if status):
            status, number = failed[0]
            _wait(ranks)
            how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            if status != 2:  # which has printed its own line
                who = f"process {number} of {len(ranks)} (pid {ranks[number].pid})"
                print(f"error: {who} {how}, so the whole job was ended", file=sys.stderr)
            return status if status > 0 else 128 - status
        if not any(status is None for status in statuses):
            return 0
        time.sleep(0.2)


def _wait(ranks: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(process.poll() is None for process in ranks):
        time.sleep(0.1)


def _interrupt(signum: int, _: Any) -> None:
    raise KeyboardInterrupt(signum)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_with_launcher() -> None:
    """Makes a rank end when whoever started it has died, which would otherwise leave it computing for nobody."""
    launcher = int(os.environ.get(LAUNCHER, os.getppid()))

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        with contextlib.suppress(OSError):  # nobody may be left to read it
            message = f"error: what started process {rank()} (pid {launcher}) has died, so it ends too"
            print(message, file=sys.stderr, flush=True)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-launcher", daemon=True).start()
