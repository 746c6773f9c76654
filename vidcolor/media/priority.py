"""What priority encoders leave a process with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["priority_kept"]


@contextmanager
def priority_kept() -> Iterator[None]:
    """Gives all threads of this process the scheduling back that the calling one has now.

    SVT-AV1, run by root, makes its threads and whoever opens it real-time ones (SCHED_FIFO, 99) on Linux,
    also where it is only asked what it can do: all other programs would get what it leaves.
    """
    if sys.platform != "linux":
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in _threads():
            with suppress(OSError):  # it has ended
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, parameters)


def _threads() -> list[int]:
    try:
        return [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
    except OSError:
        return [0]
