"""What was wrong with a film, counted while it is read and told once at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from vidcolor.media.timeline import clock_text
from vidcolor.wording import counted

__all__ = ["Faults"]

SHOWN = 5
"""Moments named in a sentence; more are counted."""


@dataclass(slots=True)
class Moments:
    """How often something happened, and when it first did."""

    count: int = 0
    first: list[Fraction] = field(default_factory=list)

    def add(self, time: Fraction | None) -> None:
        self.count += 1
        if time is not None and len(self.first) < SHOWN:
            self.first.append(time)

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.first) else ""
        return ", ".join(map(clock_text, self.first)) + more if self.first else "unknown times"


@dataclass(slots=True)
class Faults:
    """Counts by kind; times are in seconds on the clock frames are handed out on."""

    damaged: Moments = field(default_factory=Moments)
    """Packets the decoder refused."""
    corrupt: Moments = field(default_factory=Moments)
    """Frames the decoder patched."""
    unreadable: Moments = field(default_factory=Moments)
    """Places at which the file could not be read, and went on after."""
    resized: Moments = field(default_factory=Moments)
    """Frames of another size or pixel format than the first."""
    retagged: Moments = field(default_factory=Moments)
    """Frames of another range or matrix than the first."""
    reshaped: Moments = field(default_factory=Moments)
    """Places at which the aspect of the samples changed."""
    interlaced: Moments = field(default_factory=Moments)
    """Frames of fields that stay so in a film whose header does not say that it has any."""
    oversized: Moments = field(default_factory=Moments)
    """Frames larger than is allowed."""
    headless: int = 0
    """Packets before the first key frame."""
    missing: int = 0
    """Frames that had no time."""
    backward: int = 0
    """Frames that had a time not after the frame before them."""
    jumps: Moments = field(default_factory=Moments)
    """Places at which a broadcast's clock jumped."""
    broken_off: Fraction | None = None
    """Where the file ended although it should go on."""

    def report(self, notify: Callable[[str], None]) -> None:
        """One sentence for each kind there was."""
        for sentence in self._sentences():
            notify(sentence)

    def _sentences(self) -> Iterator[str]:
        if self.headless:
            yield f"{counted(self.headless, 'packet')} before the first key frame had no picture."
        if self.damaged.count:
            what = counted(self.damaged.count, "damaged packet")
            yield f"{what} could not be decoded; the picture is missing at {self.damaged}."
        if self.corrupt.count:
            yield f"{counted(self.corrupt.count, 'damaged frame')} kept as decoded, at {self.corrupt}."
        if self.unreadable.count:
            what = counted(self.unreadable.count, "place")
            yield f"The file could not be read at {what}, and was read on after: {self.unreadable}."
        if self.resized.count:
            what = counted(self.resized.count, "frame")
            since = clock_text(self.resized.first[0])
            yield f"{what} of another size or pixel format converted to the first one's, from {since}."
        if self.retagged.count:
            what = counted(self.retagged.count, "frame")
            since = clock_text(self.retagged.first[0])
            yield f"{what} of another range or matrix are taken for the first one's, from {since}."
        if self.reshaped.count:
            yield f"The aspect of its samples changes, at {self.reshaped}; the result has one throughout."
        if self.interlaced.count:
            what = counted(self.interlaced.count, "interlaced frame")
            since = clock_text(self.interlaced.first[0])
            yield f"{what} stay so, from {since}; a result says that it is progressive."
        if self.oversized.count:
            what = counted(self.oversized.count, "frame")
            yield f"{what} larger than --max-pixels allows left out, at {self.oversized}."
        if self.broken_off is not None:
            yield f"The input breaks off at {clock_text(self.broken_off)}; what came before is kept."
        if self.missing:
            yield f"{counted(self.missing, 'frame')} without a time placed after the frame before."
        if self.backward:
            yield f"{counted(self.backward, 'frame')} with a time not after the frame before moved on."
        if self.jumps.count:
            yield f"The file's clock jumped {counted(self.jumps.count, 'time')}, at {self.jumps}; mended."
