"""Keeping a long run's memory level."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

__all__ = ["keep_level"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 256 * 1024
"""Planes and packets above this are given back to the system when they are freed."""


@cache
def keep_level() -> None:
    """Tells glibc's allocator to give large blocks back; does nothing elsewhere.

    By itself it learns from the first freed plane to keep blocks of that size.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
