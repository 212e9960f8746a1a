"""The number of CPU cores for threads and worker processes."""

import math
import os

WORTHWHILE = 0.1
"""Share of the time of an epoch up to which loading gets no worker processes: they would cost as much as they save."""

HAND_OVER = 1e-3
"""Seconds that the trainer needs to take a batch from a worker process: 0.3 ms for 32 feature vectors, 1.1 ms for 32 images of
224 px. Loading in the trainer's own process is faster if it takes less."""


def usable_cores() -> int:
    """Number of CPU cores that this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(loading: float, computing: float, batches: int, cores: int) -> int:
    """Number of loader workers that share the cores of a machine with a trainer on its CPU.

    Args:
        loading: Seconds that one process needs to load the batches of an epoch.
        computing: Seconds that the trainer needs to train on them.
        batches: Number of these batches.
        cores: Number of cores.

    Returns:
        0 if loading takes little of the time, or no longer than taking the batches from workers; otherwise enough to load as
        fast as the trainer computes, if the cores suffice: the trainer keeps at least one.
    """
    if loading <= max(WORTHWHILE * (loading + computing), HAND_OVER * batches):
        return 0
    return min(cores - 1, math.ceil(loading / max(computing, 1e-9)))
