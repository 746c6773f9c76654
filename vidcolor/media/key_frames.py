"""Single key frames from anywhere in a film: what it shows, without decoding what lies between."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from typing import Any, cast

import av
import av.error
import numpy as np
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext

from vidcolor.frames import Frame, Plane, Timestamp
from vidcolor.media.deinterlace import Mode
from vidcolor.media.luma import Planarizer, luma_plane
from vidcolor.media.own_chroma import own_chroma
from vidcolor.media.reader import VideoReader
from vidcolor.media.source import Packet, demux

__all__ = ["KeyFrames"]

_PACKETS = 5000
"""Packets of the stream looked at for one key frame."""
_MARGINS = (Fraction(0), Fraction(5), Fraction(60))
"""Seconds before the moment that are sought for it: without an index one may land after it."""


class KeyFrames:
    """The key frames of an open film that can be sought in.

    Of interlaced films they show the upper field: bwdif needs neighbours that are not decoded.

    It takes the reader's container over: its ``frames()`` must not be used any more.
    """

    def __init__(self, reader: VideoReader, *, deinterlace: Mode = "auto", chroma: bool = False) -> None:
        """``chroma``: frames bring their own chroma along, where it is not neutral."""
        self._container, self._video = reader.container, reader.video
        self._begin = reader.begin
        self._offset = reader.offset
        self._deinterlace, self._chroma = deinterlace, chroma
        self._stream: Any = self._container.streams[self._video.index]
        self._planar = Planarizer(self._video.tags)
        self._context = cast(VideoCodecContext, self._stream.codec_context)
        self._context.skip_frame = "NONKEY"
        for other in self._container.streams:
            other.discard = Discard.default if other is self._stream else Discard.all
        self._seen = set[int]()

    @property
    def decoded(self) -> int:
        """How many were decoded so far."""
        return len(self._seen)

    def before(self, time: Fraction) -> Frame | None:
        """The key frame shown at a moment or the last one before it, as far as the film's index is right.

        ``time``: in seconds from the film's beginning. None: there is none, or it cannot be decoded.
        """
        base = self._video.time_base
        target = int((time + self._begin + self._offset) // base)
        picture = None
        for margin in _MARGINS:
            try:
                self._container.seek(target - int(margin / base), stream=self._stream, backward=True)
                packet = self._key_packet(target, last=margin > 0)
                picture = None if packet is None else self._decoded(packet)
            except av.error.FFmpegError:
                picture = None
            if picture is not None:
                break
        if picture is None or picture.pts is None:
            return None
        self._seen.add(picture.pts)
        return self._frame(picture, picture.pts - round(self._offset / base))

    def _key_packet(self, target: int, *, last: bool) -> Packet | None:
        """The first key frame's packet from here on, or the last one, if it is not after ``target``."""
        found: Packet | None = None
        for packet in islice(demux(self._container, self._stream), _PACKETS):
            if packet.pts is not None and packet.pts > target and (found is not None or packet.is_keyframe):
                break
            if packet.is_keyframe and packet.pts is not None and packet.pts <= target:
                found = packet
                if not last:
                    break
        return found

    def _decoded(self, packet: Packet) -> av.VideoFrame | None:
        """Its picture; the decoder is emptied at once, as it may hold pictures back."""
        self._context.flush_buffers()
        pictures = [*self._context.decode(packet), *self._context.decode(None)]
        return pictures[0] if pictures else None

    def _frame(self, picture: av.VideoFrame, pts: int) -> Frame | None:
        picture = self._planar(picture)
        fields = self._deinterlace == "on" or (self._deinterlace == "auto" and picture.interlaced_frame)
        luma = luma_plane(picture)
        if luma.shape != (self._video.height, self._video.width):
            return None
        chroma = own_chroma(picture) if self._chroma else None
        if fields:
            luma = _upper_field(luma)
            chroma = None if chroma is None else (_upper_field(chroma[0]), _upper_field(chroma[1]))
        return Frame(luma, Timestamp(pts, self._video.time_base), 0, 0, chroma=chroma)


def _upper_field(plane: Plane) -> Plane:
    """A plane with every other row made of its neighbours."""
    field = plane.copy()
    rows = field[1 : field.shape[0] - 1 : 2]
    above, below = field[0 : 2 * len(rows) : 2], field[2 : 2 * len(rows) + 1 : 2]
    rows[:] = (above.astype(np.uint32) + below + 1) // 2
    if field.shape[0] % 2 == 0 and field.shape[0] > 1:
        field[-1] = field[-2]
    return field
