"""The machine that this process runs on."""

from __future__ import annotations

import ctypes
import functools
import os
import sys

# glibc's parameters by number (malloc.h), with megabytes: blocks below the largest size that it
# allows come from its own heap, which grows in pieces and keeps so much of what is freed.
MALLOC = {"M_MMAP_THRESHOLD": (-3, 32), "M_TRIM_THRESHOLD": (-1, 256), "M_TOP_PAD": (-2, 64)}
OF_USER = ("MALLOC_", "GLIBC_TUNABLES")  # environment variables that say it already


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def keep_freed_memory() -> bool:
    """Let the process keep what it frees, and say whether that was done.

    Every step frees and asks again for the same activations. By default glibc gives them back to
    the system in between, which has to clear each page anew: a quarter of a small step. Elsewhere,
    and where the environment says how to allocate, nothing is changed.
    """
    if sys.platform != "linux" or any(name.startswith(OF_USER) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    done = [mallopt(number, megabytes << 20) for number, megabytes in MALLOC.values()]
    return all(done)
