"""The only concurrency there is within a film: running an iterator ahead in a thread."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["any_at_work", "closing_stage", "prefetch", "setting"]

T = TypeVar("T")

_STAGE = "prefetch"
"""The name of every stage's thread."""
_POLL_SECONDS = 0.1
"""How soon a waiting thread notices that it is no longer wanted."""
_GRACE_SECONDS = 2.0
"""How long a thread may take over the item in its hand when it is no longer wanted. One that takes longer
waits for a pipe or a disk that does not answer; it is left behind, and ends with the process."""


def prefetch(items: Iterable[T], size: int, stop: threading.Event | None = None) -> Generator[T, None, None]:
    """The same items, made in a thread that runs at most ``size`` of them ahead.

    An error in the thread is raised here, at the place of the item it prevented. When this iterator
    is closed, exhausted or fails, the thread is stopped and joined, and ``items`` is closed in it. Close
    it (``contextlib.closing``) before what ``items`` reads from: after an exception it would else live
    on in the traceback, with its thread.

    Args:
        items: what is made in the thread.
        size: items that may wait; 0: each is made while the one before it is in use.
        stop: set it to end this iterator, wherever it waits; shared by several of them in a row, it
            lets all go at once, where closing the last would wait for the first.

    >>> list(prefetch(range(5), 2))
    [0, 1, 2, 3, 4]
    """
    if size < 0:
        raise ValueError(f"size must be at least 0, not {size}")
    waiting = queue.SimpleQueue[tuple[str, T | BaseException | None]]()
    room = threading.Semaphore(size + 1)
    """For one item each, from before it is made until it is taken."""
    iterator = iter(items)
    stop = stop or threading.Event()
    gone = threading.Event()

    def has_room() -> bool:
        while not gone.is_set() and not stop.is_set():
            if room.acquire(timeout=_POLL_SECONDS):
                return True
        return False

    def work() -> None:
        try:
            while has_room():
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                waiting.put(("item", item))
                del item  # whoever takes it may let it go
            waiting.put(("end", None))
        except BaseException as error:
            waiting.put(("error", error))
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name=_STAGE, daemon=True)
    thread.start()
    try:
        while not stop.is_set():
            try:
                kind, item = waiting.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(item, BaseException)
                raise item
            room.release()
            yield item  # type: ignore[misc]
    finally:
        gone.set()
        thread.join(_GRACE_SECONDS)


@contextmanager
def closing_stage(stage: Generator[T]) -> Iterator[Generator[T]]:
    """Closes a stage on the way out, once nobody is inside of it any more.

    A thread that was left behind may be, and leaves it when the stage's ``stop`` is set: closing it at once
    would raise a ValueError in the place of what went wrong.
    """
    try:
        yield stage
    finally:
        latest = time.monotonic() + _GRACE_SECONDS
        while True:
            try:
                stage.close()
                break
            except ValueError as error:
                if str(error) != "generator already executing":
                    raise
            if time.monotonic() > latest:
                break
            time.sleep(_POLL_SECONDS / 2)


@contextmanager
def setting(event: threading.Event) -> Iterator[None]:
    """Sets an event on the way out."""
    try:
        yield
    finally:
        event.set()


def any_at_work() -> bool:
    """Whether a stage is at work. Where one is, though all were stopped, a process must end at once: Python's
    own end would pull the thread out of the C++ it is in, which aborts."""
    return any(thread.name == _STAGE for thread in threading.enumerate())
