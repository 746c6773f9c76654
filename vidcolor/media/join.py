"""Parts and the source's other streams into the finished film: a remux, nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

from vidcolor.limits import MAX_PIXELS
from vidcolor.media.demuxer import Demuxer
from vidcolor.media.faults import Faults
from vidcolor.media.part_file import read_part
from vidcolor.media.source import Packet, Source
from vidcolor.media.timeline import packet_time
from vidcolor.media.writer import VideoWriter

__all__ = ["join"]


def join(
    writer: VideoWriter,
    source: Source,
    parts: Iterable[Path],
    *,
    stream: int | None = None,
    start: Fraction | None = None,
    end: Fraction | None = None,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Writes all parts, and beside them what else the film holds, in the order of the source's packets.

    Args:
        writer: open, nothing written to it.
        source: the film, read once more from ``start``.
        parts: files of :class:`~vidcolor.media.part_file.PartWriter`, in order.
        stream, start, end, max_pixels: as for the reader the frames came from.

    Raises:
        OutputError: a part cannot be read, or the film not be written.
        InputError: the source cannot be read any more.
    """
    faults = Faults()
    coloured = _Waiting(packet for part in parts for packet in read_part(part))
    demuxer = Demuxer(source, stream=stream, start=start, end=end, max_pixels=max_pixels, faults=faults)
    try:
        shift = writer.shift
        for packet in demuxer.packets(everything=True):
            if packet.stream_index != demuxer.video.index:
                writer.copy(packet)
                continue
            time = packet_time(packet)
            if time is None:
                continue
            if end is not None and time >= demuxer.begin + end:
                demuxer.video_done = True
            for made in coloured.until((time - shift) / writer.time_base):
                writer.append(made)
        for made in coloured.until(None):
            writer.append(made)
    finally:
        demuxer.close()


class _Waiting:
    """Packets that are handed out as far as their time has come."""

    def __init__(self, packets: Iterator[Packet]) -> None:
        self._packets = packets
        self._next = next(packets, None)

    def until(self, ticks: Fraction | None) -> Iterator[Packet]:
        """Those to be decoded at ``ticks`` or before; None: all."""
        while self._next is not None and (ticks is None or (self._next.dts or 0) <= ticks):
            packet, self._next = self._next, next(self._packets, None)
            yield packet
