"""Settings of glibc that keep freed memory in the process, because each training step allocates it again."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Allocates large tensors on the heap and never returns the heap to the system.

    By default glibc maps a large tensor from the system at each allocation, and each new page costs a page fault.

    Returns:
        Whether the C library accepted the settings. Only glibc has them.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
