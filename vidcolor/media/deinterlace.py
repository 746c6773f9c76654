"""Two fields to one frame: bwdif, as many frames out as in, each with its own time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import av
import av.error
from av.filter import Graph

__all__ = ["Deinterlacer", "Mode", "buffer_options"]

Mode = Literal["auto", "on", "off"]
Timed = tuple[av.VideoFrame, int, int]
"""A frame, its time and its length in units of the stream's time base."""


class Deinterlacer:
    """Passes frames through until one needs deinterlacing, and from then on through bwdif.

    In "auto" bwdif leaves frames that are marked progressive as they are. The filter looks one frame ahead,
    so a frame may come out with the next call, the last one with ``flush``.
    """

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.count = 0
        """Frames that were deinterlaced."""
        self._graph: Graph | None = None
        self._waiting: deque[tuple[int, int]] = deque()
        self._pushed = 0

    def feed(self, item: Timed) -> Iterator[Timed]:
        """Takes a frame; yields those that are ready."""
        frame, pts, duration = item
        wanted = self.mode == "on" or (self.mode == "auto" and frame.interlaced_frame)
        if self._graph is None and not wanted:
            yield item
            return
        if self._graph is None:
            self._graph = _graph(frame, "all" if self.mode == "on" else "interlaced")
        self.count += wanted
        # bwdif halves the time base; times go around it, in order, and come back as they were.
        self._waiting.append((pts, duration))
        frame.pts, frame.time_base = self._pushed, Fraction(1, 25)
        self._pushed += 1
        self._graph.vpush(frame)
        yield from self._pull()

    def flush(self) -> Iterator[Timed]:
        """Yields what the filter still holds."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull()

    def _pull(self) -> Iterator[Timed]:
        assert self._graph is not None
        while self._waiting:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            pts, duration = self._waiting.popleft()
            yield frame, pts, duration


def buffer_options(frame: av.VideoFrame) -> dict[str, str]:
    """What a filter graph is told of the frames that come in; their times are not its business."""
    return {
        "video_size": f"{frame.width}x{frame.height}",
        "pix_fmt": frame.format.name,
        "time_base": "1/25",
        "pixel_aspect": "1/1",
        # Without them a conversion the graph puts in by itself might change the range.
        "colorspace": str(int(frame.colorspace)),
        "range": str(int(frame.color_range)),
    }


def _graph(frame: av.VideoFrame, which: str) -> Graph:
    graph = Graph()
    nodes = [
        graph.add("buffer", **buffer_options(frame)),
        graph.add("bwdif", f"mode=send_frame:parity=auto:deint={which}"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    return graph
