"""The frames of a comparison: two panels, their labels, and the result's own times."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from vidcolor.color.relayout import relayout
from vidcolor.frames import ChromaLayout, ColorFrame, Frame, Timestamp, VideoInfo
from vidcolor.media.writer import VideoWriter
from vidcolor.pipeline.compare.pair import Pair
from vidcolor.pipeline.compare.panels import Composer, Label, Panel, Planes
from vidcolor.pipeline.compare.together import Moment

__all__ = ["Drawer"]


class Drawer:
    """Makes the result's frames."""

    def __init__(self, pair: Pair, video: VideoInfo, writer: VideoWriter, labels: tuple[str, str]) -> None:
        self._pair, self._video = pair, video
        self._space = pair.space
        self._output = replace(pair.space, bit_depth=writer.bit_depth)
        self._layout: ChromaLayout = writer.layout
        siting = writer.tags.siting
        one, other, size, split = pair.one.video, pair.other.video, pair.size, pair.options.layout == "split"
        whole = size.whole
        first_panel = (
            (whole[0] - size.panel[0], whole[1]) if pair.options.layout == "side"
            else (whole[0], whole[1] - size.panel[1]) if pair.options.layout == "stacked"
            else whole
        )  # fmt: skip
        marks = (
            Label.made(labels[0], first_panel, first_panel[1], self._space),
            Label.made(labels[1], size.panel, first_panel[1], self._space, right=split),
        )
        self._first = Panel(one, self._space, size.first, first_panel, self._layout, siting, marks[0])
        self._second = Panel(other, self._space, size.second, size.panel, self._layout, siting, marks[1])
        self._compose = Composer(pair.options.layout, whole, self._layout, self._space)
        self._siting = siting
        self._pts: int | None = None

    def __call__(self, moment: Moment, index: int) -> ColorFrame:
        """The result's frame of a moment."""
        since = moment.time - self._pair.start
        planes = self._compose(self._first(moment.first), self._second(moment.second), since)
        base = self._video.time_base
        pts = math.ceil((moment.time + self._pair.one.begin) / base)
        if self._pts is not None:
            pts = max(pts, self._pts + 1)
        self._pts = pts
        frame = Frame(planes.y, Timestamp(pts, base), max(1, round(moment.length / base)), index)
        return ColorFrame(frame, *self._chroma(planes))

    def _chroma(self, planes: Planes) -> tuple[Any, Any]:
        shape = planes.y.shape
        cb, cr = (
            relayout(plane, shape, self._layout, self._siting, self._space, self._output)
            for plane in (planes.cb, planes.cr)
        )
        return cb, cr
