"""A film as packets: found, opened, and read from a moment on to another, over read errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any

from av.container import InputContainer
from av.stream import Discard

from vidcolor.errors import InputError
from vidcolor.frames import MediaInfo, VideoInfo
from vidcolor.media.choose import choose_video, too_large
from vidcolor.media.containers import has_flag
from vidcolor.media.encryption import encrypted, looks_encrypted
from vidcolor.media.faults import Faults
from vidcolor.media.probe import describe
from vidcolor.media.source import (
    PIPE_HINT,
    READ_ERRORS,
    Packet,
    Source,
    demux,
    is_seekable,
    open_input,
    rewind,
)
from vidcolor.media.timeline import Clock, packet_time

__all__ = ["Demuxer"]

LINGER = Fraction(10)
"""Seconds read past ``end`` for streams that lie late in the file."""
SEEK_MARGINS = (Fraction(0), Fraction(5), Fraction(60))
"""Seconds before ``start`` at which a key frame is looked for, one after the other."""
SEEK_PACKETS = 1000
"""Video packets looked at to find that key frame."""
READ_RETRIES = 20
"""Read errors in a row after which the file is taken to end there."""


class Demuxer:
    """An open film, one of its video streams chosen.

    Its packets are on one clock: that of the file, or in broadcast formats one that starts at 0.
    """

    container: InputContainer
    info: MediaInfo
    """What the file says of itself."""
    stream: Any
    """The chosen stream."""
    video: VideoInfo
    """Its description, with the start as packets are handed out."""
    begin: Fraction
    """The film's beginning on the clock of the packets, in seconds; the range counts from it."""
    video_done: bool
    """To be set when the chosen stream's frames have passed ``end``: its packets come in another order."""

    def __init__(
        self,
        source: Source,
        *,
        stream: int | None,
        start: Fraction | None,
        end: Fraction | None,
        max_pixels: int,
        faults: Faults,
    ) -> None:
        """Opens the film and goes to a key frame at or before ``start``, where it can.

        Args:
            source: a path, "-" for standard input, or an open binary file.
            stream: index of the video stream in the file; None: the best one.
            start: first moment wanted, in seconds from the film's beginning.
            end: first moment not wanted any more, likewise.
            max_pixels: of the largest picture that is read.
            faults: gets what cannot be read.

        Raises:
            InputError: the file cannot be read or holds no video that can be decoded.
            UsageError: ``stream`` is not a video stream.
        """
        self._source, self._wanted = source, stream
        self._start, self._end = start, end
        self._max_pixels = max_pixels
        self._faults = faults
        self.video_done = False
        self._open()
        self._seek()

    def close(self) -> None:
        """Closes the file; nobody may be reading it meanwhile."""
        self.container.close()

    @property
    def offset(self) -> Fraction:
        """Seconds taken from the file's times so far; 0 but in broadcast formats."""
        return self._clock.offset if self._clock else Fraction(0)

    @property
    def jumps(self) -> list[Fraction]:
        """Moments at which a broadcast's clock jumped, in seconds."""
        return self._clock.jumps if self._clock else []

    # Opening

    def _open(self) -> None:
        self.container = open_input(self._source, max_pixels=self._max_pixels)
        try:
            self.info = describe(self.container, self._source, max_pixels=self._max_pixels)
            video = self._choose()
            self._refuse_too_large(video)
            self.stream = self.container.streams[video.index]
            self._clock = Clock(self._begin_in_file()) if has_flag(self.container, "ts_discont") else None
            self.begin = Fraction(0) if self._clock else self._begin_in_file()
            self.video = replace(video, start=None if video.start is None else video.start - self.offset)
        except BaseException:
            self.close()
            raise

    def _choose(self) -> VideoInfo:
        try:
            return choose_video(self.info, self._wanted)
        except InputError as error:
            # What is encrypted may look like anything, a picture without a size for one.
            if looks_encrypted(self.container):
                raise InputError(encrypted(self.info)) from None
            for stream in self.container.streams.video:  # those too large to be looked into
                self._refuse_too_large(stream.codec_context)
            if self.info.format.startswith("mov") and not is_seekable(self._source):
                raise InputError(f"{str(error)[:-1]}: {PIPE_HINT}.") from None
            raise

    def _refuse_too_large(self, picture: Any) -> None:
        """``picture``: has a width and a height; None is not."""
        if picture is not None and picture.width * picture.height > self._max_pixels:
            size = (picture.width, picture.height)
            raise InputError(too_large(self.info.name, *size, self._max_pixels)) from None

    def _begin_in_file(self) -> Fraction:
        """When the film begins on the file's clock, in seconds; sound alone does not begin it before 0.

        What a sound's decoder needs first lies there where a container has no other word for it, as Matroska:
        the frames of a film would have other times in it than in MP4.
        """
        starts = [s.start for s in self.info.streams if s.kind in ("video", "audio") and s.start is not None]
        first = min(starts) if starts else self.info.start or Fraction(0)
        picture = next((s.start for s in self.info.streams if s.index == self.stream.index), None)
        return first if picture is None else max(first, min(picture, Fraction(0)))

    # Seeking

    def _seek(self) -> None:
        """Goes to a key frame at or before ``start``; where that is impossible, reading starts at the top."""
        if self._start is None or not is_seekable(self._source):
            return
        first = self._begin_in_file()
        wanted = first + self._start
        for margin in SEEK_MARGINS:
            target = int((wanted - margin) / self.video.time_base)
            if wanted - margin <= first:
                break
            if self._lands(target, wanted) and self._seek_to(target):
                return
        self.close()
        rewind(self._source)
        self._open()

    def _lands(self, target: int, wanted: Fraction) -> bool:
        """Whether a seek to ``target`` is followed by a key frame not later than ``wanted``."""
        if not self._seek_to(target):
            return False
        try:
            for packet in islice(demux(self.container, self.stream), SEEK_PACKETS):
                if packet.is_keyframe and packet.pts is not None:
                    return bool(packet.pts * packet.time_base <= wanted)
        except READ_ERRORS:
            pass
        return False

    def _seek_to(self, target: int) -> bool:
        try:
            self.container.seek(target, stream=self.stream, backward=True)
        except READ_ERRORS:
            return False
        return True

    # Packets

    def packets(self, *, everything: bool) -> Iterator[Packet]:
        """Packets of the chosen stream, or with ``everything`` of all, until they have passed ``end``."""
        if self._clock is None and self._end is None:
            yield from self._read(everything)
            return
        followed = {s.index for s in self.info.streams if s.kind == "audio"} | {self.video.index}
        pending = set(followed) if everything else {self.video.index}
        end = None if self._end is None else self.begin + self._end
        for packet in self._read(everything):
            if self._clock:
                self._clock.mend(packet, packet.stream_index in followed)
            yield packet
            if end is not None and self._all_past_end(packet, end, pending):
                return

    def _read(self, everything: bool) -> Iterator[Packet]:
        """Packets as they lie in the file, over read errors as far as that is possible."""
        if not everything:
            for other in self.container.streams:
                other.discard = Discard.default if other is self.stream else Discard.all
        streams = () if everything else (self.stream,)
        failures = 0
        last: Packet | None = None
        while failures < READ_RETRIES:
            try:
                for packet in demux(self.container, *streams):
                    if failures:
                        self._faults.unreadable.add(packet_time(last))
                    failures = 0
                    yield packet
                    last = packet
                return
            except READ_ERRORS:
                failures += 1
        self._faults.broken_off = packet_time(last) or Fraction(0)

    def _all_past_end(self, packet: Packet, end: Fraction, pending: set[int]) -> bool:
        """Whether all streams have passed ``end``; ``pending`` are those that had not, before this packet."""
        time = packet_time(packet)
        if self.video_done:
            pending.discard(self.video.index)
        if time is not None and time >= end and packet.stream_index != self.video.index:
            pending.discard(packet.stream_index)
        return not pending or (time is not None and time >= end + LINGER)
