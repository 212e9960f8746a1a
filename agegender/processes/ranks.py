"""What a rank knows of its job, and what ranks agree on before they are connected.

A process of a job (a rank) finds in its environment what torchrun sets there. ``agegender.launch.launch`` sets the same
for ``trainer=ddp trainer.devices=N``, so there is one kind of rank, whoever started it.
"""

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from agegender.errors import AgeGenderError

RUN_DIR, LAUNCHER = "AGEGENDER_RUN_DIR", "AGEGENDER_LAUNCHER"  # set by launch
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
