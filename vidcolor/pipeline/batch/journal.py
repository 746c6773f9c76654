"""What a batch has done, kept in its output folder, so that the next start goes on from there.

One JSON object a line, appended and synced before the next film begins; the last line of an output says how
the last try ended, the last that is "done" what the result was made with. A line that a crash cut short is
passed over: its film is made again. The folder is locked, so that two batches never fill it at the same time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

from vidcolor.errors import OutputError
from vidcolor.pipeline.batch.films import Stamp

__all__ = ["Journal", "Record"]

_NAME = ".vidcolor-batch.jsonl"


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one output after a try to make it."""

    output: str
    """Its path below the output folder, with "/"."""
    source: str
    """Absolute path of its film, without links."""
    stamp: Stamp
    """The film when it was begun."""
    settings: str
    """The digest of what it was made with."""
    state: Literal["started", "done", "failed"]
    facts: dict[str, Any] = field(default_factory=dict)
    """Of a film that is done, its :class:`~vidcolor.pipeline.options.Summary`; of one that failed, why."""
    result: Stamp | None = None
    """A file of that name that is a batch's own: of a film that is done the one made (None: an earlier
    vidcolor did not write it down); else the one there was, or that was about to take the name."""


class Journal:
    """The records of an output folder; a context manager that holds the folder for one batch.

    Args:
        folder: the output folder, which exists.

    Raises:
        OutputError: on entry: another batch holds the folder, or it cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.records: dict[str, Record] = {}
        """The last of each output."""
        self.done: dict[str, Record] = {}
        """The last of each output that is "done"."""
        self.settings: dict[str, dict[str, Any]] = {}
        self._folder = folder
        self._path = folder / _NAME
        self._file: BinaryIO | None = None
        self._lock: int | None = None

    def __enter__(self) -> Journal:
        self._lock = _locked(self._folder)
        with self._writing():
            self._file = self._path.open("a+b")
            self._file.seek(0)
            data = self._file.read()
            if data and not data.endswith(b"\n"):
                self._file.write(b"\n")
        for line in data.splitlines():
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                self._take(json.loads(line))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        if self._lock is not None:
            os.close(self._lock)

    @property
    def is_there(self) -> bool:
        """Whether it is still in its folder; else the folder has gone, and not only what is missing in it."""
        return os.path.isfile(self._path)

    def know(self, digest: str, settings: dict[str, Any]) -> None:
        """Writes down what a digest in records stands for."""
        if digest not in self.settings:
            self._append({"settings": settings, "digest": digest})

    def add(self, record: Record) -> None:
        """Writes a record down; once this returns it outlives a crash."""
        self._append(asdict(record))

    def _append(self, line: dict[str, Any]) -> None:
        assert self._file is not None
        with self._writing():
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "digest" in line:
            self.settings[str(line["digest"])] = dict(line["settings"])
            return
        result = line.get("result")
        values = {name: value for name, value in line.items() if name != "ours"}  # of an earlier vidcolor
        stamps = {"stamp": Stamp(**line["stamp"]), "result": None if result is None else Stamp(**result)}
        record = Record(**{**values, **stamps})
        if record.state in ("started", "done", "failed"):
            self.records[str(record.output)] = record
        if record.state == "done":
            self.done[str(record.output)] = record

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{str(self._path)!r} cannot be written: {error.strerror}.") from error


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder until it is closed; None where folders cannot be held.

    Raises:
        OutputError: another batch holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise OutputError(f"Another batch is at work in {str(folder)!r}.") from None
    except OSError:  # a network's file system
        os.close(handle)
        return None
    return handle
