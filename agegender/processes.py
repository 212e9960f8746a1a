"""Several processes for one job: who starts them, what they agree on before they are connected, and that they end together.

A process of a job (a rank) finds in its environment what torchrun sets there. ``launch`` sets the same for
``trainer=ddp trainer.devices=N``, so there is one kind of rank, whoever started it.
"""

import contextlib
import functools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from agegender.errors import AgeGenderError

RUN_DIR, LAUNCHER = "AGEGENDER_RUN_DIR", "AGEGENDER_LAUNCHER"  # set by launch
GRACE = 10.0  # seconds that the other ranks have to end by themselves
STRATEGIES = ("auto", "ddp")
# What gloo, nccl and the store say when the process at the other end is gone.
LOST = re.compile("closed by peer|reset by peer|broken pipe|remote process exited|connection refused|recvValue|NCCL", re.I)


def started() -> bool:
    """Whether torchrun or ``launch`` started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """Number of this process in its job, from 0."""
    return int(os.environ["RANK"]) if started() else 0


def world_size() -> int:
    """Number of processes of the job."""
    return int(os.environ["WORLD_SIZE"]) if started() else 1


def wanted(trainer: Mapping[str, Any]) -> int:
    """Number of processes, one a device, that the Trainer's arguments ask for on this machine."""
    devices = trainer.get("devices", "auto")
    if isinstance(devices, str) and "," in devices:
        devices = [device for device in devices.split(",") if device.strip()]
    if isinstance(devices, list):
        return len(devices)
    if str(devices) not in ("auto", "-1"):
        return int(devices)
    if trainer.get("accelerator") == "cpu":
        return 1
    import torch

    return max(torch.cuda.device_count(), 1)


def placed(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """The Trainer's arguments for this process: under torchrun as many devices and machines as that was told.

    Raises:
        AgeGenderError: The configuration contradicts torchrun, or asks for a way to start processes that this is not.
    """
    strategy, nodes, count = trainer.get("strategy", "auto"), trainer.get("num_nodes") or 1, wanted(trainer)
    if strategy not in STRATEGIES:
        raise AgeGenderError(f"trainer.strategy={strategy}: allowed: {', '.join(STRATEGIES)}")
    if not started():
        if nodes > 1:
            raise AgeGenderError(f"trainer.num_nodes={nodes}: start on each machine with torchrun --nnodes {nodes} ...")
        if count > 1:
            raise AgeGenderError(
                f"trainer.devices={trainer['devices']}: only a command starts several processes: python -m agegender.train, "
                "or torchrun"
            )
        return {**trainer, "strategy": "auto"}
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    if count not in (1, here) and trainer["devices"] != "auto":
        raise AgeGenderError(f"trainer.devices={trainer['devices']}: torchrun started {here} processes on this machine")
    where = {"devices": trainer["devices"] if count == here else here, "num_nodes": world_size() // here}
    return {**trainer, **where, "strategy": "ddp" if world_size() > 1 else "auto"}


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


def first(name: str, work: Callable[[], str]) -> str:
    """Lets rank 0 alone do some work, before the ranks are connected; the others wait for its result.

    Args:
        name: Differs from one piece of work to the next.
        work: Returns what all ranks get.
    """
    if world_size() == 1:
        return work()
    if rank() > 0:
        return _store().get(name).decode()
    result = work()
    _store().set(name, result)
    return result


@functools.cache
def _store() -> Any:
    """The store at torchrun's address, where ranks find each other."""
    from torch.distributed import rendezvous

    store, _, _ = next(iter(rendezvous("env://")))
    store.set_timeout(timedelta(days=30))  # the first look at millions of files takes its time; a dead rank 0 is noticed
    return store


@contextlib.contextmanager
def lost_ranks_in_words() -> Iterator[None]:
    """Turns a traceback about a broken connection into one line: the cause is in the process that is gone.

    Raises:
        AgeGenderError: The connection to another rank broke.
    """
    try:
        yield
    except RuntimeError as error:
        if world_size() > 1 and LOST.search(str(error)):
            reason = str(error).strip().splitlines()[0]
            raise AgeGenderError(f"process {rank()} lost the connection to another process of the job ({reason})") from error
        raise
