"""The number of CPU cores for threads and worker processes."""

import os


def usable_cores() -> int:
    """Number of CPU cores that this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
