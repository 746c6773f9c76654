"""Times that can be relied on: one clock for all packets, rising times for frames, the bounds of a part."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from vidcolor.media.source import Packet

__all__ = ["Clock", "Cut", "FrameTimes", "clock_text", "packet_time"]

BACKWARD = Fraction(1, 10)
"""Seconds a packet may lie behind the one before it in its stream; more is a new clock (as in ffmpeg)."""
FORWARD = Fraction(10)
"""Seconds a packet may lie ahead of what is expected; more is a new clock (ffmpeg's dts_delta_threshold)."""

TURN = Fraction(2**33, 90_000)
"""Seconds after which the clock of MPEG streams begins anew."""


def clock_text(seconds: Fraction | float) -> str:
    """A moment as people read it: "00:01:02.345"."""
    sign = "-" if seconds < 0 else ""
    milliseconds = round(abs(Fraction(seconds)) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def packet_time(packet: Packet | None) -> Fraction | None:
    """When a packet is shown, or else decoded, in seconds; None where it does not say, or is none."""
    if packet is None:
        return None
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None else stamp * packet.time_base


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a film that becomes the result."""

    shift: Fraction = Fraction(0)
    """Taken from every time, in seconds."""
    limit: Fraction | None = None
    """Where the result ends, in seconds on its own clock."""
    trimmed: bool = False
    """Whether the result begins later than the film."""

    @classmethod
    def between(cls, start: Fraction | None, end: Fraction | None, *, begin: Fraction) -> Cut:
        """From one moment of the film to another, which count from its beginning ``begin``; in seconds."""
        shift = begin + start if start else Fraction(0)
        return cls(shift, None if end is None else begin + end - shift, bool(start))


@dataclass(slots=True)
class Clock:
    """Puts the packets of a broadcast, whose clock starts anywhere and may jump, on a clock that starts at 0.

    All streams share the offset. Where one of them meets a jump first, the others follow when they come to
    it themselves: packets of both clocks lie mixed in the file for a while.
    """

    offset: Fraction
    """Seconds taken from every packet's time since the last jump."""
    jumps: list[Fraction] = field(default_factory=list)
    """Moments of the mended clock at which the file's clock jumped, in seconds."""
    _offsets: dict[int, Fraction] = field(default_factory=dict)
    _last: dict[int, Fraction] = field(default_factory=dict)
    _next: dict[int, Fraction] = field(default_factory=dict)

    def mend(self, packet: Packet, follow: bool) -> None:
        """Rewrites a packet's times; ``follow``: its stream is dense enough to tell a jump from a pause."""
        stream = packet.stream_index
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            return
        time = stamp * packet.time_base
        if follow:
            if stream not in self._last and time - self.offset > TURN / 2:
                self._shift(packet, TURN)  # a stream that begins before 0; libav does not turn it back
                time -= TURN
            self._follow_jumps(stream, time)
            self._last[stream] = time - self._offsets[stream]
            self._next[stream] = self._last[stream] + (packet.duration or 0) * packet.time_base
        self._shift(packet, self._offsets.get(stream, self.offset))

    def _follow_jumps(self, stream: int, time: Fraction) -> None:
        current = self._offsets.setdefault(stream, self.offset)
        if self._fits(stream, time - current):
            return
        if not self._fits(stream, time - self.offset):
            self.offset = time - self._next[stream]
            self.jumps.append(self._next[stream])
        self._offsets[stream] = self.offset

    def _fits(self, stream: int, time: Fraction) -> bool:
        if stream not in self._last:
            return True
        return self._last[stream] - BACKWARD <= time <= self._next[stream] + FORWARD

    @staticmethod
    def _shift(packet: Packet, offset: Fraction) -> None:
        units = round(offset / packet.time_base)
        if packet.pts is not None:
            packet.pts -= units
        if packet.dts is not None:
            packet.dts -= units


@dataclass(slots=True)
class FrameTimes:
    """Gives every frame a time after the one before it; times that already rise are kept exactly."""

    step: int
    """Length of a frame that does not say it, in units of the time base; 0: as long as the one before."""
    missing: int = 0
    """Frames that had no time."""
    backward: int = 0
    """Frames that had a time not after the frame before them."""
    _last: int | None = None
    _told: int | None = None
    """The time that the frame before them said itself."""
    _length: int = 0
    _rise: int = 1

    @property
    def end(self) -> int:
        """Where the last frame ends, in units of the time base."""
        return 0 if self._last is None else self._last + (self._length or self.step or self._rise)

    def next(self, pts: int | None, duration: int, dts: int | None = None) -> int:
        """The next frame's time, from its own time and length; its decoding time is the next best."""
        follows = self.end
        if pts is None:
            self.missing += 1
            pts = dts if dts is not None and (self._last is None or dts > self._last) else follows
        elif self._last is not None and pts <= self._last:
            self.backward += 1
            rises, self._told = self._told is not None and pts > self._told, pts
            if dts is not None and dts > self._last:
                pts = dts
            elif rises:  # a clock that stepped back is caught up with, or all that follows would be late
                pts = self._last + max(1, (follows - self._last) // 2)
            else:
                pts = follows
        else:
            if self._last is not None:
                self._rise = pts - self._last
            self._told = pts
        self._last, self._length = pts, duration
        return pts
