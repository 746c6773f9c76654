"""The processes of a batch: films are handed to those that are free, and those that die are replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Generic, TypeVar

from vidcolor.pipeline.batch.films import Stamp
from vidcolor.pipeline.batch.worker import Message, Task, serve

__all__ = ["Workers"]

Job = TypeVar("Job")

_SPAWN = multiprocessing.get_context("spawn")
"""Forking a process that has used CUDA or threads is not safe."""
_PATIENCE_S = 20.0
"""How long a worker may take to tidy up before it is killed."""


@dataclass
class _Worker(Generic[Job]):
    process: SpawnProcess
    connection: Connection
    job: Job | None = None


class Workers(Generic[Job]):
    """Up to ``jobs`` processes, started when they are first needed; a context manager that stops them.

    Args:
        jobs: how many films are coloured at once.
        devices: handed out in turn.
        last_word: told of each finished file before it takes its name; whether it may replace what has it.
            None: it may.
    """

    def __init__(
        self, jobs: int, devices: Sequence[str], last_word: Callable[[Job, Stamp], bool] | None = None
    ) -> None:
        self._devices, self._last_word = list(devices), last_word
        self._slots: list[_Worker[Job] | None] = [None] * jobs
        self._leaving: list[_Worker[Job]] = []
        """Those that end by themselves."""
        self._threads = None if jobs == 1 else max(1, _cores() // jobs)

    def __enter__(self) -> Workers[Job]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        workers = [worker for worker in (*self._slots, *self._leaving) if worker is not None]
        try:
            for worker in workers:
                worker.process.terminate()  # it removes what is half-made, and ends
            until_s = time.monotonic() + _PATIENCE_S
            for worker in workers:
                worker.process.join(max(0.0, until_s - time.monotonic()))
        finally:  # a second Ctrl-C does not wait
            for worker in workers:
                worker.process.kill()
                worker.connection.close()

    @property
    def busy(self) -> int:
        """Films that are being coloured."""
        return sum(worker is not None and worker.job is not None for worker in self._slots)

    @property
    def free(self) -> bool:
        """Whether one more film can be handed out."""
        return self.busy < len(self._slots)

    def give(self, job: Job, task: Task) -> None:
        """Hands a film to a worker that is free; there is one.

        ``job`` comes back with everything that is said of the film; ``task.options.device`` is chosen here.
        """
        number = next(n for n, worker in enumerate(self._slots) if worker is None or worker.job is None)
        device = self._devices[number % len(self._devices)]
        task = replace(task, options=replace(task.options, device=device))
        worker = self._slots[number]
        if worker is not None:
            try:
                worker.connection.send(task)
            except OSError:  # it has died while it was idle
                self._bury(number, worker)
                worker = None
        if worker is None:
            worker = self._slots[number] = self._start(number)
            with suppress(OSError):  # if it is dead already, that shows when it is listened to
                worker.connection.send(task)
        worker.job = job

    def listen(self, timeout_s: float | None) -> Iterator[tuple[Job, Message]]:
        """What the workers say, as soon as there is anything; nothing after ``timeout_s`` seconds.

        A worker that died says "failed".
        """
        open_to = {w.connection: (n, w) for n, w in enumerate(self._slots) if w is not None}
        if not open_to:
            time.sleep(timeout_s or 0)
            return
        for ready in wait(list(open_to), timeout_s):
            number, worker = open_to[ready]  # type: ignore[index]
            try:
                message: Message = worker.connection.recv()
            except (EOFError, OSError):
                job = worker.job
                reason = self._bury(number, worker)
                if job is not None:
                    yield job, Message("failed", {"message": reason})
                continue
            job = worker.job
            if message.kind == "finished":
                stamp = Stamp(**message.facts)
                may = self._last_word is None or job is None or self._last_word(job, stamp)
                with suppress(OSError):  # if it is dead by now, that shows when it is listened to
                    worker.connection.send(may)
                continue
            if message.kind in ("done", "failed"):
                worker.job = None
            if message.last:  # whatever it were given now would be lost
                self._slots[number] = None
                self._leaving = [one for one in self._leaving if one.process.is_alive()] + [worker]
            if job is not None:
                yield job, message

    def _start(self, number: int) -> _Worker[Job]:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(
            target=serve, args=(theirs, number, self._threads), name=f"vidcolor-{number}", daemon=True
        )
        with _signals_blocked():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _bury(self, number: int, worker: _Worker[Job]) -> str:
        """Forgets a dead worker; returns what it died of, in words."""
        self._slots[number] = None
        worker.connection.close()
        worker.process.join(_PATIENCE_S)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        return _cause(worker.process.exitcode)


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the process that coloured it ended by itself (code {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", as systems do when memory runs out" if name == "SIGKILL" else ""
    return f"the process that coloured it was ended by {name}{hint}"


def _cores() -> int:
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Processes started in here never see what a terminal sends to all of its programs.

    Else Ctrl-C would end them before they can arrange for it themselves.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
