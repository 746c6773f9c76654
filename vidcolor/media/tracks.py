"""One stream of the source on its way into the result: cut, converted, and with times a muxer takes."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import av.error
from av.container import OutputContainer

from vidcolor.media.containers import has_flag
from vidcolor.media.convert import Converter
from vidcolor.media.source import Packet
from vidcolor.media.timeline import Cut, packet_time

__all__ = ["Track"]

_FATAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EPIPE, errno.EBADF})
"""Errors of the disk, not of a packet."""
_NO_TEXT = b"\0\0"
"""A MOV text sample of length 0: nothing is shown."""


@dataclass(slots=True)
class Track:
    """Takes the packets of one stream and writes them into another."""

    output: OutputContainer
    out: Any
    """The stream of ``output`` that is written."""
    name: str
    """How sentences call the one that is read."""
    cut: Cut
    tell: Callable[[str], None]
    """Gets at most one sentence, about the first thing that went wrong."""
    converter: Converter | None = None
    needs_key: bool = False
    """Whether packets are dropped until the first key frame (a further video stream that is cut into)."""
    still: bool = False
    """A single picture without a time of its own."""
    fills_gaps: bool = False
    """Whether the muxer itself writes the empty lines between two lines of text."""
    delay: int = 0
    """Frames a decoder holds back; where the source tells no decoding times they begin this much earlier."""
    _rise: int = field(init=False)
    """By how much the muxer wants each decoding time to be later than the one before it."""
    _last_dts: int | None = None
    _step: int = 0
    """How much later the last piece of sound began than the one before it."""
    _told: bool = False

    def __post_init__(self) -> None:
        strict = not has_flag(self.output, "ts_nonstrict")
        self._rise = 1 if strict and self.out.type in ("audio", "video") else 0

    def take(self, packet: Packet) -> None:
        """Writes a packet of the source, or what it is converted to."""
        if not packet.time_base and not self.still:
            self._warn(f"a packet of {self.name} has no time and is left out.")
            return
        if not self.still and self._is_outside(packet):
            return
        if self.converter is None:
            if not (self.fills_gaps and bytes(packet) == _NO_TEXT):
                self._send(packet)
            return
        for made in self.converter.convert(packet):
            self._send(made)
        if self.converter.broken:
            self._warn(f"parts of {self.name} could not be decoded and are missing.")

    def finish(self) -> None:
        """Writes what the converter still holds."""
        if self.needs_key:
            self._warn(f"{self.name} has no key frame in this part and is left out.")
        if self.converter is not None:
            for made in self.converter.flush():
                self._send(made)

    def _is_outside(self, packet: Packet) -> bool:
        time = packet_time(packet)
        if time is None:
            return False
        begin = time - self.cut.shift
        if self.cut.limit is not None and begin >= self.cut.limit:
            return True
        if not self.cut.trimmed:
            return False
        if self.needs_key:
            self.needs_key = not (packet.is_keyframe and begin >= 0)
            return self.needs_key
        return begin + (packet.duration or 0) * packet.time_base <= 0

    def _send(self, packet: Packet) -> None:
        try:
            self._to_output_time(packet)
            packet.stream = self.out
            self.output.mux_one(packet)
        except (av.error.FFmpegError, OverflowError) as error:
            if getattr(error, "errno", None) in _FATAL:
                raise
            self._warn(f"a packet of {self.name} was refused by the container and is left out.")

    def _to_output_time(self, packet: Packet) -> None:
        base = self.out.time_base
        if self.still:
            packet.pts = packet.dts = 0
            packet.time_base = base
            return
        scale, offset = packet.time_base / base, self.cut.shift / base
        length = round((packet.duration or 0) * scale)
        pts = None if packet.pts is None else round(packet.pts * scale - offset)
        dts = None if packet.dts is None else round(packet.dts * scale - offset)
        if pts is not None and self.out.type == "subtitle":
            if pts < 0:
                length, pts, dts = max(length + pts, 0), 0, 0  # a line that stands when the cut begins
            if self.cut.limit is not None:  # or when it ends; the film would seem to last as long as it
                length = min(length, max(round(self.cut.limit / base) - pts, 0))
        before = self._last_dts
        pts, dts = self._mended(pts, dts, length)
        if self.out.type == "audio" and before is not None:
            self._step = dts - before
        packet.time_base = base
        # A piece of sound without a length, if it is the last, would not be played at all in MP4.
        packet.duration = length or self._step
        packet.pts, packet.dts = pts, dts

    def _mended(self, pts: int | None, dts: int | None, length: int) -> tuple[int, int]:
        """Times a muxer takes: both there, decoding times rising and not after the time of showing."""
        last = self._last_dts
        if dts is None:
            dts = self._guessed_dts(pts, length)
        if last is not None and dts < last + self._rise:
            if dts < last:
                self._warn(f"times of {self.name} go back in the source and were mended.")
            dts = last + self._rise
        pts = dts if pts is None else max(pts, dts)
        self._last_dts = dts
        return pts, dts

    def _guessed_dts(self, pts: int | None, length: int) -> int:
        if self._last_dts is None:
            return (pts or 0) - self.delay * length
        if pts is None or self.delay:
            return min(self._last_dts + max(length, 1), pts if pts is not None else self._last_dts + 1)
        return pts

    def _warn(self, sentence: str) -> None:
        if not self._told:
            self._told = True
            self.tell(sentence)
