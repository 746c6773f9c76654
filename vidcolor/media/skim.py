"""Decoding less than everything: only frames that are wanted, or a few from all over a film."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from heapq import heappop, heappush
from itertools import islice
from typing import Any, TypeAlias

import av
import av.error

from vidcolor.frames import Plane, VideoInfo
from vidcolor.media.luma import Planarizer, luma_plane
from vidcolor.media.source import Packet, Source, demux, is_seekable, open_input

__all__ = ["Mark", "Need", "Needed", "Skimmer", "glimpses"]


class Need(IntEnum):
    """How much a frame is wanted."""

    NONE = 0
    WELCOME = 1
    """It is handed out, unless ``Skimmer`` can spare the decoder many of them in a row."""
    MUST = 2


class Mark(IntEnum):
    """What is done with a packet."""

    DROP = 0
    """The decoder does not get it."""
    SKIP = 1
    """The decoder may leave its frame out, if no other is predicted from it."""
    DECODE = 2


Needed: TypeAlias = Callable[[int], Need]
"""How much the frame with this pts is wanted; asked once for each, in the order frames are shown."""

AHEAD = 256
"""Packets looked at beyond the one handed out."""
REORDERED = 32
"""Frames that may be shown before one whose packet comes first. No codec reorders more than 16."""
SEEN_BESIDE_MISSING = 2
"""Time in one go of which welcome frames are handed out, at least, over the length of a gap after it: else
nearly nothing would be left of them where key frames lie close together."""
GLIMPSE_PACKETS = 500
"""Packets looked at for one key frame."""


@dataclass(slots=True)
class _Group:
    """A key frame's packet and those up to the next one."""

    key_pts: int
    packets: int = 0
    asked: int = 0
    last_must: int = -1
    """Number of the last packet with a frame that must be decoded."""
    last_wanted: int = -1
    """The same of a frame that is welcome at least."""
    open: bool = False
    """Frames shown before the key frame come after it, and are predicted from the group before."""
    dropped: bool = False
    """What comes after its last frame that must be decoded is dropped."""


class Skimmer:
    """Says of every packet whether it must be decoded.

    Packets come in the order of decoding; the question is asked in the order of showing, so that whoever
    answers can count frames. What comes after the last frame of its group that must be decoded is needed
    by none of those. It is dropped if nothing of it is welcome either, or if no more than ``longest_gap``
    (in units of pts) is lost at once, and not too often.
    A packet without a pts cannot be asked about and is decoded.
    """

    def __init__(self, needed: Needed, longest_gap: Fraction) -> None:
        self._needed, self._gap = needed, int(longest_gap)
        self._waiting: deque[tuple[int, int, Packet]] = deque()
        """Number, group and packet."""
        self._shown: list[tuple[int, int, int]] = []
        """A heap of pts, number and group."""
        self._needs: dict[int, Need] = {}
        self._groups: dict[int, _Group] = {}
        self._count = 0
        self._group = -1
        self._kept: int | None = None
        """The latest pts of what is wanted and decoded."""
        self._begin: int | None = None
        """The earliest of those since the last gap."""

    def mark(self, packets: Iterable[Packet]) -> Iterator[tuple[Packet, Mark]]:
        """The packets as they come, each with what is to be done with it."""
        for packet in packets:
            self._take(packet)
            if len(self._shown) > REORDERED:
                self._ask()
            if len(self._waiting) > AHEAD:
                yield self._release()
        while self._shown:
            self._ask()
        while self._waiting:
            yield self._release()

    def _take(self, packet: Packet) -> None:
        pts, number = packet.pts, self._count
        self._count += 1
        if packet.is_keyframe and pts is not None:
            self._group = number
            self._groups[number] = _Group(pts)
        self._waiting.append((number, self._group, packet))
        group = self._groups.get(self._group)
        if group is not None:
            group.packets += 1
            if pts is None:
                group.last_must = group.last_wanted = number
                group.asked += 1
            elif pts < group.key_pts:
                group.open = True
        if pts is not None:
            heappush(self._shown, (pts, number, self._group))

    def _ask(self) -> None:
        """Asks about the frame that is shown first of those nobody asked about."""
        pts, number, group_number = heappop(self._shown)
        self._needs[number] = need = self._needed(pts)
        group = self._groups.get(group_number)
        if group is not None:
            group.asked += 1
            if need:
                group.last_wanted = max(group.last_wanted, number)
            if need is Need.MUST:
                group.last_must = max(group.last_must, number)

    def _release(self) -> tuple[Packet, Mark]:
        number, group_number, packet = self._waiting.popleft()
        need = self._needs.pop(number, Need.MUST)
        if self._is_spare(number, group_number):
            return packet, Mark.DROP
        if need and packet.pts is not None:
            self._begin = packet.pts if self._begin is None else self._begin
            self._kept = packet.pts if self._kept is None else max(self._kept, packet.pts)
        return packet, Mark.DECODE if need else Mark.SKIP

    def _is_spare(self, number: int, group_number: int) -> bool:
        group = self._groups.get(group_number)
        if group is None or number <= group.last_must or group.asked < group.packets:
            return False
        if not group.dropped:
            following = self._groups.get(group_number + group.packets)
            for past in [n for n in self._groups if n < group_number]:
                del self._groups[past]
            if following is None or following.open:
                return False
            if number > group.last_wanted:
                return True
            if group.last_must < 0 or not self._may_miss(following.key_pts):
                return False
            group.dropped = True
            self._begin = None
        return True

    def _may_miss(self, until: int) -> bool:
        """Whether all up to a key frame may be missing: briefly, and after enough that is not."""
        if self._kept is None or self._begin is None:
            return False
        gap = until - self._kept
        return gap <= self._gap and self._kept - self._begin >= SEEN_BESIDE_MISSING * gap


def glimpses(source: Source, video: VideoInfo, count: int) -> list[Plane]:
    """Luma of up to ``count`` key frames at even distances over a film; none where it cannot be sought in."""
    planes: list[Plane] = []
    if video.duration is None or not is_seekable(source):
        return planes
    with closing(open_input(source)) as container:
        stream: Any = container.streams[video.index]
        stream.codec_context.skip_frame = "NONKEY"
        planarize = Planarizer(video.tags)
        start, length = stream.start_time or 0, float(video.duration.value / stream.time_base)
        for number in range(count):
            target = start + int(length * (number + 0.5) / count)
            if (picture := _key_frame(container, stream, target)) is not None:
                planes.append(luma_plane(planarize(picture)))
    return [plane for plane in planes if plane.shape == (video.height, video.width)]


def _key_frame(container: Any, stream: Any, target: int) -> av.VideoFrame | None:
    try:
        container.seek(target, stream=stream, backward=True)
        for packet in islice(demux(container, stream), GLIMPSE_PACKETS):
            for picture in stream.codec_context.decode(packet):
                return picture
        for picture in stream.codec_context.decode(None):  # the decoder may hold back its last one
            return picture
    except av.error.FFmpegError:
        pass
    return None
