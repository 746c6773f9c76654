"""Keeping a long run's memory where it is used again and again."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

__all__ = ["hold_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_HELD = 32 * 2**20
"""Blocks above this, in bytes, are always asked for anew; what the layers of our networks fill is smaller."""


@cache
def hold_memory() -> None:
    """Tells glibc's allocator to keep freed blocks for the next frame or step; does nothing elsewhere.

    By itself it gives large blocks back to the system, and each time they are wanted again every page of
    them is a fault, which costs a good part of a film's or a training step's time on a virtual machine.

    And to have one heap for all threads, of which every part of a film starts new ones: what is freed in the
    heap of one is kept for no other.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_HELD)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_ARENA_MAX, 1)
