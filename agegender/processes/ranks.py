"""What a rank (one process of a job) knows about its job, and results that ranks share before they are connected.

A rank reads the environment variables that torchrun sets. For ``trainer=ddp trainer.devices=N``
``agegender.processes.launch`` sets the same variables, and so does a task of SLURM, so ranks work alike however they were
started.
"""

import contextlib
import functools
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from agegender.errors import AgeGenderError

RUN_DIR, LAUNCHER = "AGEGENDER_RUN_DIR", "AGEGENDER_LAUNCHER"  # set by launch, the latter by a sweep too
STRATEGIES = ("auto", "ddp")
EVERY = ("auto", "-1")  # values of trainer.devices for all devices of the machine
# In messages of gloo, nccl and the store when the process at the other end is gone.
LOST = re.compile("closed by peer|reset by peer|broken pipe|remote process exited|connection refused|recvValue|NCCL", re.I)


def started() -> bool:
    """Whether torchrun, ``launch`` or a task of SLURM started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launched() -> bool:
    """Whether torchrun, ``launch``, a task of SLURM or a sweep started this process."""
    return started() or LAUNCHER in os.environ


def rank() -> int:
    """Number of this process in its job, from 0; 0 for a single process."""
    return int(os.environ["RANK"]) if started() else 0


def world_size() -> int:
    """Number of processes of the job."""
    return int(os.environ["WORLD_SIZE"]) if started() else 1


def process_count(trainer: Mapping[str, Any]) -> int:
    """Number of processes on this machine according to the Trainer's arguments: one for each device."""
    devices = trainer.get("devices", "auto")
    if isinstance(devices, str) and "," in devices:
        devices = [device for device in devices.split(",") if device.strip()]
    if isinstance(devices, list):
        return len(devices)
    if str(devices) not in EVERY:
        return int(devices)
    if trainer.get("accelerator") == "cpu":
        return 1
    import torch

    return max(torch.cuda.device_count(), 1)


def machine_count(trainer: Mapping[str, Any]) -> int:
    """Number of machines according to the Trainer's arguments."""
    return int(trainer.get("num_nodes") or 1)


def require_one_machine(trainer: Mapping[str, Any]) -> None:
    """Rejects a job of several machines where only processes on this machine can be started.

    Raises:
        AgeGenderError: The message names what works.
    """
    if (machines := machine_count(trainer)) > 1:
        raise AgeGenderError(
            f"trainer.num_nodes={machines}: this starts processes on this machine only; use hydra/launcher=slurm, or "
            f"torchrun --nnodes {machines} on each machine"
        )


def trainer_arguments(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the Trainer in this process, with the devices and machines that the job was started on.

    Args:
        trainer: Arguments of the Trainer in the configuration.

    Raises:
        AgeGenderError: The arguments contradict the processes that were started, or several are needed and were not started.
    """
    strategy, count = trainer.get("strategy", "auto"), process_count(trainer)
    if strategy not in STRATEGIES:
        raise AgeGenderError(f"trainer.strategy={strategy}: allowed: {', '.join(STRATEGIES)}")
    every = str(trainer.get("devices", "auto")) in EVERY  # recorded as a number, which a resumed run compares
    if not started():
        require_one_machine(trainer)
        if count > 1:
            raise AgeGenderError(
                f"trainer.devices={trainer['devices']}: several processes are started by the command line only, with "
                "python -m agegender.train or torchrun"
            )
        return {**trainer, "devices": 1 if every else trainer["devices"], "strategy": "auto"}
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    machines = world_size() // here
    if count not in (1, here) and trainer["devices"] != "auto":
        raise AgeGenderError(f"trainer.devices={trainer['devices']}: the job was started with {here} processes on this machine")
    if machine_count(trainer) not in (1, machines):
        raise AgeGenderError(f"trainer.num_nodes={trainer['num_nodes']}: the job was started on {machines} machines")
    where = {"devices": trainer["devices"] if count == here and not every else here, "num_nodes": machines}
    return {**trainer, **where, "strategy": "ddp" if world_size() > 1 else "auto"}


def on_rank_zero(name: str, work: Callable[[], str | None]) -> str:
    """Runs a function on rank 0 only and returns its result on every rank, before the ranks are connected.

    The other ranks wait for the result.

    Args:
        name: Identifies the result; each call in a job needs another name.
        work: The function; the result None becomes the empty string.
    """
    if rank() > 0:
        return _store().get(name).decode()
    result = work() or ""
    if world_size() == 1:
        return result
    _store().set(name, result)
    return result


@functools.cache
def _store() -> Any:
    """The key-value store at torchrun's address."""
    from torch.distributed import rendezvous

    store, _, _ = next(iter(rendezvous("env://")))
    store.set_timeout(timedelta(days=30))  # reading millions of files takes long; a dead rank 0 ends the wait
    return store


def disconnect() -> None:
    """Waits until every rank arrives here, then ends the connection between them."""
    if world_size() > 1:
        import torch.distributed

        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


@contextlib.contextmanager
def one_line_if_connection_lost() -> Iterator[None]:
    """Replaces the traceback of a lost connection by one line: its cause is in the other process.

    Raises:
        AgeGenderError: The connection to another rank broke.
    """
    try:
        yield
    except RuntimeError as error:
        if world_size() > 1 and LOST.search(str(error)):
            time.sleep(1)  # the signal that ended the other process may be on its way to this one, and says more
            reason = str(error).strip().splitlines()[0]
            raise AgeGenderError(f"process {rank()} lost the connection to another process of the job ({reason})") from error
        raise
