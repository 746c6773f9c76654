"""A film in parts: where one ends is decided by the film alone, and not by how often a run was stopped.

What becomes of a part depends on its frames and on what its border says, and on nothing before: the shot
detector starts anew at each, and what is decided of a shot that goes on over a border is handed on with it.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from vidcolor.frames import Frame
from vidcolor.temporal.shots import ShotDetector, small_luma

__all__ = ["LONGEST", "SHORTEST", "Border", "Feed", "State", "starting_at"]

SHORTEST = Fraction(10)
"""Seconds of film from which on a part ends with a shot."""
LONGEST = Fraction(60)
"""Seconds of film at which it ends in the middle of one."""
_KNOWN_BY = 8
"""Frames after a border that must be the same when the film is read again from there."""

State = dict[str, npt.NDArray[Any]]
"""What goes over a border, as arrays of numbers."""


@dataclass(frozen=True, slots=True)
class Border:
    """Where a part ends and the next one begins."""

    frames: int
    """Of the run, before it."""
    pts: int
    """Time of the next part's first frame, in units of the stream's time base."""
    continued: bool
    """Whether a shot goes on over it; that frame then is an anchor of both parts."""
    marks: tuple[tuple[int, int], ...]
    """Time and checksum of the frames that follow."""
    state: State = field(default_factory=dict, compare=False)


class Feed:
    """Hands out a film's frames part by part. One for a run."""

    def __init__(self, frames: Iterable[Frame], bit_depth: int, *, in_shots: bool, done: int = 0) -> None:
        """
        Args:
            frames: of the run, from the start of a part on.
            bit_depth: of the luma.
            in_shots: whether parts end with shots; else they are as long as each other.
            done: frames of the run before these.
        """
        self._frames, self._depth, self._in_shots = iter(frames), bit_depth, in_shots
        self._done = done
        self._back = deque[Frame]()
        """Frames that were looked at and are not decided, then those that belong to the next part."""
        self._ahead = deque[Frame]()
        """Frames of the part before that wait to be looked at again."""
        self.shared: int | None = None
        """Time of the frame that ends this part and starts the next one, once it is there, as pts."""
        self.border: Border | None = None
        """How the part ended, once it has; None: with the film."""
        self._last: Frame | None = None
        """The part's last frame so far, ..."""
        self._beyond: Frame | None = None
        """... and the frame after the part's last one, once it is there."""

    def part(self, continued: bool) -> Iterator[tuple[Frame, bool]]:
        """The next part's frames, and whether each starts a shot; a shared frame last.

        ``continued``: the part's first frame does not start a shot.
        """
        self.border = self.shared = self._last = self._beyond = None
        first: Fraction | None = None
        for frame, starts_shot in self._decided():
            if first is None:
                first = frame.time.exact
                starts_shot = not continued
            else:
                age = frame.time.exact - first
                if age >= SHORTEST and (starts_shot or not self._in_shots):
                    self._end(frame, continued=False)
                    return
                if age >= LONGEST:
                    self._end(frame, continued=True)
                    self._last = frame
                    yield frame, False
                    return
            self._done += 1
            self._last = frame
            yield frame, starts_shot

    def after(self, frame: Frame) -> Frame | None:
        """The frame after a part's last one; None: ``frame`` is not that, or nothing follows."""
        return self._beyond if frame is self._last else None

    def _decided(self) -> Iterator[tuple[Frame, bool]]:
        """Frames with what the detector says; those it has seen and not decided wait in ``_back``."""
        detector, known = ShotDetector(), self._back
        self._ahead, self._back = known, deque[Frame]()
        waiting = self._back
        for frame in chain(_drained(known), self._frames):
            if not self._in_shots:
                yield frame, False
                continue
            waiting.append(frame)
            for verdict in detector.push(small_luma(frame.luma, self._depth)):
                yield waiting.popleft(), verdict.new_shot
        for verdict in detector.finish() if self._in_shots else ():
            yield waiting.popleft(), verdict.new_shot

    def _end(self, frame: Frame, *, continued: bool) -> None:
        self._back.appendleft(frame)
        self._back.extend(self._ahead)
        self._back.extend(islice(self._frames, max(0, _KNOWN_BY - len(self._back))))
        marks = tuple(_mark(one) for one in islice(self._back, _KNOWN_BY))
        self.border = Border(self._done, frame.time.pts, continued, marks)
        self._beyond = next(islice(self._back, int(continued), None), None)
        if continued:
            self.shared = frame.time.pts


def _drained(frames: deque[Frame]) -> Iterator[Frame]:
    while frames:
        yield frames.popleft()


def _mark(frame: Frame) -> tuple[int, int]:
    """A frame's time and a checksum of all its samples."""
    found = zlib.crc32(np.ascontiguousarray(frame.luma).data)
    for plane in frame.chroma or ():
        found = zlib.crc32(np.ascontiguousarray(plane).data, found)
    return frame.time.pts, found


def starting_at(border: Border, frames: Iterable[Frame]) -> Iterator[Frame] | None:
    """The frames from a border on, numbered as in the whole run; None: they are not those that lay there.

    As many as its marks are taken from ``frames`` before this returns.
    """
    source = iter(frames)
    head: list[Frame] = []
    for frame in source:
        if frame.time.pts >= border.pts:
            head.append(frame)
            if len(head) >= len(border.marks):
                break
    if tuple(map(_mark, head)) != border.marks:
        return None
    return _numbered(chain(_drained(deque(head)), source), border.frames)


def _numbered(frames: Iterator[Frame], first: int) -> Iterator[Frame]:
    for index, frame in enumerate(frames, first):
        frame.index = index
        yield frame
