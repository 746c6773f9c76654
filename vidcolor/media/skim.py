"""Decoding less than everything: only frames that are wanted, or a few from all over a film."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from heapq import heappop, heappush
from itertools import islice
from typing import Any, TypeAlias

import av
import av.error

from vidcolor.frames import Plane, VideoInfo
from vidcolor.media.luma import Planarizer, luma_plane
from vidcolor.media.source import Source, demux, is_seekable, open_input

__all__ = ["Needed", "glimpses", "marked"]

Packet: TypeAlias = "av.Packet[Any]"
Needed: TypeAlias = Callable[[int], bool]
"""Whether the frame with this pts is wanted; asked once for each packet, in the order frames are shown."""

AHEAD = 64
"""Packets looked at beyond the one handed out. No codec reorders more than 16 frames."""
GLIMPSE_PACKETS = 500
"""Packets looked at for one key frame."""


def marked(packets: Iterable[Packet], needed: Needed) -> Iterator[tuple[Packet, bool]]:
    """Packets as they come, each with the answer to whether its frame is wanted.

    Packets come in the order of decoding; the question is asked in the order of showing, so that whoever
    answers can count frames. A packet without a pts cannot be asked about and is wanted.
    """
    waiting: deque[Packet] = deque()
    shown: list[int] = []
    answers: dict[int, bool] = {}

    def release() -> tuple[Packet, bool]:
        packet = waiting.popleft()
        if packet.pts is None:
            return packet, True
        while shown and shown[0] <= packet.pts:
            pts = heappop(shown)
            answers[pts] = needed(pts)
        return packet, answers.pop(packet.pts, True)

    for packet in packets:
        waiting.append(packet)
        if packet.pts is not None:
            heappush(shown, packet.pts)
        if len(waiting) > AHEAD:
            yield release()
    while waiting:
        yield release()


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
