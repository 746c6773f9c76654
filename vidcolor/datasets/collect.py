"""Pictures that are being made, those that have been, and what was left out."""

from __future__ import annotations

import heapq
import os
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.datasets.images import Box, Crop
from vidcolor.datasets.options import BuildOptions
from vidcolor.datasets.split import seeded
from vidcolor.errors import InputError
from vidcolor.frames import NOTHING_KNOWN, Metadata, Timestamp
from vidcolor.media.target import writing
from vidcolor.temporal.shots import SMALL, Small

__all__ = ["Collector", "Made", "Origin", "Row", "write_file"]

_AHEAD = 8
"""Pictures being made at a time. Not by the number of cores: what counts as over the limit hangs on it."""
_WORKERS = max(1, min(4, (os.cpu_count() or 1) // 2))
_REMEMBERED = 256
"""Frames taken last that a new one is compared with."""
_COARSE = (9, 16)
"""Height and width of the pictures they are compared by first."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a picture comes from."""

    source: str
    time: Timestamp | None
    shot: int
    label: str | None
    metadata: Metadata
    part: str | None
    """"train" or "test" where a list says so."""

    def seed(self, seed: int, *more: Any) -> int:
        """A number that is this picture's own."""
        return seeded(seed, self.source, self.time.pts if self.time else "", *more)


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a frame or a picture file."""

    reason: str | None
    """Why it was left out."""
    crops: tuple[Crop, ...] = ()
    dropped: int = 0
    """Crops of it that were left out for want of colour, beside others that were not."""
    small: Small | None = None
    """Its small luma, where it was not known before."""
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of the set."""

    path: Path
    """Where it lies for now."""
    origin: Origin
    crop: Box
    colorfulness: float
    bins: npt.NDArray[np.uint16]
    counts: npt.NDArray[np.uint16]


@dataclass(slots=True)
class _Job:
    origin: Origin
    future: Future[Made]
    must_read: bool
    notify: Callable[[str], None] | None


class Collector:
    """Has pictures made in threads and takes them in the order they were asked for; a context manager.

    With a limit it keeps the pictures whose drawn numbers are smallest, of all there are; which that
    will be is known at the end only, so a few are written and removed again.
    """

    def __init__(self, folder: Path, final: Path, options: BuildOptions) -> None:
        """``folder``: where pictures are written; ``final``: what errors call it."""
        self.left_out: Counter[str] = Counter()
        """Frames and pictures left out, by reason."""
        self.met: Counter[str] = Counter()
        """The same, and those taken."""
        self._folder, self._final, self._options = folder, final, options
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="pictures")
        self._jobs: deque[_Job] = deque()
        self._rows: dict[int, Row] = {}
        self._drawn: list[tuple[int, int]] = []
        self._memory = _Memory(options.duplicate)
        self._number = 0

    def __enter__(self) -> Collector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    @property
    def rows(self) -> list[Row]:
        """The pictures there are, in order."""
        return list(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Counts something that does not go into the set."""
        self.left_out[reason] += count
        self.met[reason] += count

    def is_known(self, small: Small) -> bool:
        """Whether nearly the same was taken before; if not, it is remembered."""
        return self._memory.holds_or_takes(small)

    def submit(
        self,
        origin: Origin,
        make: Callable[[], Made],
        *,
        must_read: bool = True,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        """Has a picture made, unless it would be over the limit anyway.

        ``must_read``: a file that cannot be read is an error; else it is left out and told of.
        """
        if self._options.limit is not None and not any(map(self._has_room, self._draw(origin))):
            self.leave_out("limit", self._options.crops)
            return
        if len(self._jobs) >= _AHEAD:
            self._finish_one()
        self._jobs.append(_Job(origin, self._pool.submit(make), must_read, notify))

    def drain(self) -> None:
        """Waits for all that is being made."""
        while self._jobs:
            self._finish_one()

    def _finish_one(self) -> None:
        job = self._jobs.popleft()
        try:
            made = job.future.result()
        except InputError as error:
            if job.must_read:
                raise
            self.leave_out("unreadable")
            if job.notify:
                job.notify(f"Left out: {error}")
            return
        reason = made.reason
        if reason is None and made.small is not None and self.is_known(made.small):
            reason = "duplicate"
        if reason is not None:
            self.leave_out(reason)
            return
        if made.dropped:
            self.leave_out("colourless", made.dropped)
        for crop, drawn in zip(made.crops, self._draw(job.origin), strict=False):
            self._take(job.origin, made.metadata, crop, drawn)

    # The limit

    def _draw(self, origin: Origin) -> list[int]:
        """A number for each crop of a picture."""
        return [origin.seed(self._options.seed, "limit", n) for n in range(self._options.crops)]

    def _has_room(self, drawn: int) -> bool:
        limit = self._options.limit
        return limit is None or len(self._drawn) < limit or drawn < -self._drawn[0][0]

    def _take(self, origin: Origin, metadata: Metadata | None, crop: Crop, drawn: int) -> None:
        if not self._has_room(drawn):
            self.leave_out("limit")
            return
        self.met["taken"] += 1
        number, self._number = self._number, self._number + 1
        path = self._folder / f"{number:08}.{self._options.format}"
        with writing(self._final):
            write_file(path, crop.data)
            if self._options.limit is not None:
                heapq.heappush(self._drawn, (-drawn, number))
                if len(self._drawn) > self._options.limit:
                    self._give_back()
        if metadata is not None and metadata != NOTHING_KNOWN:
            origin = replace(origin, metadata=metadata)
        self._rows[number] = Row(path, origin, crop.box, crop.colorfulness, crop.bins, crop.counts)

    def _give_back(self) -> None:
        """Removes the picture with the largest number."""
        _, worst = heapq.heappop(self._drawn)
        self._rows.pop(worst).path.unlink()
        self.left_out["limit"] += 1


def write_file(path: Path, data: bytes) -> None:
    """Writes one file of the set."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


class _Memory:
    """The small luma of the frames taken last."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._small: npt.NDArray[Any] = np.zeros((_REMEMBERED, *SMALL), np.uint8)
        self._coarse: npt.NDArray[Any] = np.zeros((_REMEMBERED, _COARSE[0] * _COARSE[1]), np.uint8)
        self._count = 0

    def holds_or_takes(self, small: Small) -> bool:
        coarse = cv2.resize(small, _COARSE[::-1], interpolation=cv2.INTER_AREA).reshape(1, -1)
        used = min(self._count, _REMEMBERED)
        # Means of blocks differ by less than what they are means of: whatever is far apart here is far apart.
        for n in self._near(coarse, used):
            if cv2.norm(self._small[n], small, cv2.NORM_L1) / small.size < self._threshold:
                return True
        place = self._count % _REMEMBERED
        self._small[place], self._coarse[place] = small, coarse
        self._count += 1
        return False

    def _near(self, coarse: npt.NDArray[Any], used: int) -> npt.NDArray[Any]:
        """Numbers of the remembered frames that may be within the threshold; one code is for rounding."""
        if not used:
            return np.zeros(0, int)
        apart = cv2.absdiff(self._coarse[:used], np.repeat(coarse, used, 0))
        sums = cv2.reduce(apart, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0]
        return np.flatnonzero(sums < (self._threshold + 1) * coarse.size)
