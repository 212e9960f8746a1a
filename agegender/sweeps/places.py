"""Devices and threads of the jobs that run at the same time."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from agegender.errors import AgeGenderError
from agegender.processes.ranks import process_count, require_one_machine


class Places:
    """Hands out disjoint devices: a GPU belongs to one job at a time, CPU cores are divided by the number of jobs.

    Args:
        parallel: Jobs at the same time, 1 or more.
        gpus: Names of the GPUs, as ``CUDA_VISIBLE_DEVICES`` lists them.
        cores: CPU cores.

    Raises:
        AgeGenderError: ``parallel`` is less than 1.
    """

    def __init__(self, parallel: int, gpus: Sequence[str], cores: int) -> None:
        if not isinstance(parallel, int) or isinstance(parallel, bool) or parallel < 1:
            raise AgeGenderError(f"hydra.launcher.parallel={parallel}: must be an integer of at least 1")
        self.parallel = parallel
        self.gpus = list(gpus)
        self.cores = cores
        self._free = list(gpus)
        self._running = 0

    def require_room_for(self, trainer: Mapping[str, Any]) -> None:
        """Refuses a job that needs more machines or GPUs than there are.

        Raises:
            AgeGenderError: Names the number of GPUs, or what starts processes on several machines.
        """
        require_one_machine(trainer)
        accelerator = trainer.get("accelerator")
        if not self.gpus and (accelerator == "cuda" or (accelerator == "gpu" and sys.platform != "darwin")):
            raise AgeGenderError(f"trainer.accelerator={accelerator}: there is no GPU here")
        how_many = "there is 1 GPU" if len(self.gpus) == 1 else f"there are {len(self.gpus)} GPUs"
        if self._on_gpu(trainer) and process_count(trainer) > len(self.gpus):
            raise AgeGenderError(f"trainer.devices={trainer['devices']}: {how_many} here")

    def take(self, trainer: Mapping[str, Any]) -> dict[str, str] | None:
        """Environment variables that give a job its devices; None while there is no room for it."""
        count = process_count(trainer)
        if self._running >= self.parallel or (self._on_gpu(trainer) and count > len(self._free)):
            return None
        self._running += 1
        if not self._on_gpu(trainer):
            return {"OMP_NUM_THREADS": str(max(self.cores // (self.parallel * count), 1))} if self.parallel * count > 1 else {}
        mine, self._free = self._free[:count], self._free[count:]
        return {"CUDA_VISIBLE_DEVICES": ",".join(mine)}

    def give_back(self, environment: Mapping[str, str]) -> None:
        """Frees what ``take`` returned."""
        self._running -= 1
        self._free += [name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]

    def _on_gpu(self, trainer: Mapping[str, Any]) -> bool:
        return bool(self.gpus) and trainer.get("accelerator") not in ("cpu", "mps")


def places_here(parallel: int, trainers: Sequence[Mapping[str, Any]]) -> Places:
    """The places of this machine.

    Args:
        parallel: Jobs at the same time.
        trainers: Arguments of the Trainer of every job. GPUs are looked for only if one of them may use one.

    Raises:
        AgeGenderError: ``parallel`` is less than 1, or a job needs more machines or GPUs than there are.
    """
    gpus = visible_gpus() if any(trainer.get("accelerator") not in ("cpu", "mps") for trainer in trainers) else []
    places = Places(parallel, gpus, len(os.sched_getaffinity(0)))
    for trainer in trainers:
        places.require_room_for(trainer)
    return places


def visible_gpus() -> list[str]:
    """GPUs that this process may use."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
