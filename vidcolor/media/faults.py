"""What was wrong with a film, counted while it is read and told once at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from vidcolor.media.timeline import clock_text

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
    headless: int = 0
    """Packets before the first key frame."""
    broken_off: Fraction | None = None
    """Where the file ended although it should go on."""

    def report(self, notify: Callable[[str], None]) -> None:
        """One sentence for each kind there was."""
        for sentence in self._sentences():
            notify(sentence)

    def _sentences(self) -> list[str]:
        told = []
        if self.headless:
            told.append(f"{_of(self.headless, 'packet')} before the first key frame hold no picture.")
        if self.damaged.count:
            what = _of(self.damaged.count, "damaged packet")
            told.append(f"{what} could not be decoded; the picture is missing at {self.damaged}.")
        if self.corrupt.count:
            what = _of(self.corrupt.count, "frame")
            told.append(f"{what} damaged in the source and kept as decoded, at {self.corrupt}.")
        if self.unreadable.count:
            what = _of(self.unreadable.count, "place")
            told.append(f"The file could not be read at {what} and was read on after, at {self.unreadable}.")
        if self.resized.count:
            what = _of(self.resized.count, "frame")
            told.append(
                f"{what} of another size or pixel format converted to the first one's, from {self.resized}."
            )
        if self.broken_off is not None:
            told.append(f"The input breaks off at {clock_text(self.broken_off)}; what came before is kept.")
        return told


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
