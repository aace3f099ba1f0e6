"""Memory that a training frees is kept for what it asks for next."""

from __future__ import annotations

import ctypes

# Of malloc.h. By default glibc gives large blocks back to the system, which zeroes every page of the next one anew.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_KEPT = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**28}


def keep_freed_memory() -> None:
    """Of this process, from here on. Where the C library has no such options nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for option, value in _KEPT.items():
            mallopt(option, value)
