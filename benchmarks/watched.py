"""Work in a process of its own, with a limit of time, its memory watched, and whatever ends it told.

The process is forked from one that has already imported what takes seconds to import; a crash ends only it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Outcome", "watched"]

_POLL_SECONDS = 0.02
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended."""

    code: int | None
    """What it ended with; None: it was killed."""
    signal: str | None
    """What killed it, by its name."""
    timed_out: bool
    seconds: float
    peak: int
    """Highest resident memory in MiB, what it shares with its parent among it."""
    out: str
    err: str


def watched(work: Callable[[], int], folder: Path, *, seconds: float, mebibytes: int) -> Outcome:
    """Does ``work`` in a forked process and waits for it.

    Args:
        work: returns the exit code.
        folder: where its output is kept meanwhile.
        seconds: after which it is killed.
        mebibytes: of resident memory at which it is killed.
    """
    out, err = folder / "stdout", folder / "stderr"
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_child(work, out, err)
    timed_out = False
    peak = 0
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        peak = max(peak, _resident(child))
        timed_out = time.monotonic() - started > seconds
        if timed_out or peak > mebibytes:
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            break
        time.sleep(_POLL_SECONDS)
    return Outcome(
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        signal=signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None,
        timed_out=timed_out,
        seconds=time.monotonic() - started,
        peak=max(peak, usage.ru_maxrss >> 10),
        out=out.read_text(errors="replace"),
        err=err.read_text(errors="replace"),
    )


def _be_the_child(work: Callable[[], int], out: Path, err: Path) -> None:
    code = 70
    try:
        os.setsid()
        for number, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            opened = os.open(path, flags, 0o644)
            os.dup2(opened, number)
            os.close(opened)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # what the parent would do on its way out is not the child's to do


def _resident(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):  # no such folder on this system, or it has just ended
        return 0
    return pages * _PAGE >> 20
