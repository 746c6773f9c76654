"""The process that colours film after film, with a model that it loads once."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from vidcolor.errors import DeviceError, VidcolorError, in_words
from vidcolor.pipeline.batch.films import NO_FILE, Stamp
from vidcolor.pipeline.options import Progress, RunOptions
from vidcolor.pipeline.prefetch import any_at_work

__all__ = ["Message", "Task", "serve"]

Kind = Literal["progress", "notice", "finished", "done", "failed"]

_REPORT_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """A film to colour."""

    source: str
    output: str
    options: RunOptions


@dataclass(frozen=True, slots=True)
class Message:
    """What a worker says of its film."""

    kind: Kind
    facts: dict[str, Any]
    """Of "progress" and "done" what their ``to_dict`` says, of "finished" the file's :class:`Stamp`; else
    "message", and of a failure that nobody foresaw its "traceback"."""
    last: bool = False
    """Whether the process ends after it."""


def serve(connection: Connection, number: int, threads: int | None) -> None:
    """Colours what comes in until nothing more comes.

    Args:
        connection: gives :class:`Task`, takes :class:`Message`; what is "finished" waits for a bool,
            whether it may replace what has its name.
        number: the worker's own, from 0; shares out the GPUs of "auto".
        threads: how many the network and OpenCV may use; None: as they like.

    A process with a stage left behind ends itself here, by the signal that its parent ends it by.
    """
    _heed_the_parent()
    with suppress(KeyboardInterrupt, EOFError, OSError):
        from vidcolor.models.weights import keep_models  # brings torch; the parent may be gone already

        keep_models()
        _share(threads)
        while _one(connection, number):
            pass
    if any_at_work():  # on a film that was given up
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _heed_the_parent() -> None:
    """SIGTERM unwinds, Ctrl-C is the parent's business, and a parent that dies takes its workers along."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is None:
        return

    def follow() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


def _share(threads: int | None) -> None:
    if threads is None:
        return
    import cv2
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), threads))
    cv2.setNumThreads(min(cv2.getNumThreads(), threads))


def _one(connection: Connection, number: int) -> bool:
    """Colours the next film; False when this process had better not go on."""
    task: Task = connection.recv()
    from vidcolor.pipeline.run import colorize

    lock = threading.Lock()  # stages in other threads give notices too

    def send(kind: Kind, facts: dict[str, Any], *, last: bool = False) -> None:
        with lock:
            connection.send(Message(kind, facts, last))

    def last_word(finished: Path) -> bool:
        # The stamp stays when the file is renamed. A parent that is gone raises here: nothing takes a name
        # that nobody has written down.
        send("finished", asdict(Stamp.of(finished) or NO_FILE))
        may_replace: bool = connection.recv()
        return may_replace

    try:
        options = replace(task.options, device=_device(task.options, number))
        summary = colorize(
            task.source,
            task.output,
            options,
            notify=lambda sentence: send("notice", {"message": sentence}),
            progress=_seldom(lambda progress: send("progress", progress.to_dict())),
            last_word=last_word,
        )
    except VidcolorError as error:
        lost = isinstance(error, DeviceError)
        send("failed", {"message": in_words(error)}, last=lost)
        return not lost
    except Exception as error:  # after what nobody foresaw a new process is safer
        told = "".join(traceback.format_exception(error))
        send("failed", {"message": in_words(error), "traceback": told}, last=True)
        return False
    send("done", summary.to_dict())
    return True


def _device(options: RunOptions, number: int) -> str:
    """The device of one worker: with "auto" the GPUs in turn."""
    wanted = options.device
    if wanted != "auto" or options.backend == "openvino":
        return wanted
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{number % count}" if count > 1 else wanted


def _seldom(report: Callable[[Progress], None]) -> Callable[[Progress], None]:
    last_s = float("-inf")

    def progress(progress: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _REPORT_EVERY_S:
            last_s = time.monotonic()
            report(progress)

    return progress
