"""Film that is partly in colour: its shots in colour pass as they are, the others are coloured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Literal

import numpy as np
import numpy.typing as npt

from vidcolor.color.chroma import ChromaMaker
from vidcolor.color.relayout import relayout
from vidcolor.frames import ColorFrame, Frame, Plane, VideoInfo
from vidcolor.media.own_chroma import has_chroma
from vidcolor.temporal.in_color import Keep, Marked, ShotMarker

__all__ = ["Keeper"]

Shots = Iterable[tuple[Frame, bool]]
"""Frames, and whether each starts a shot."""


class Keeper:
    """Sends shots in colour past whatever colours the others. One for a film."""

    def __init__(self, make: ChromaMaker, bit_depth: int, keep: Keep) -> None:
        """
        Args:
            make: what the other shots' planes are made by: kept ones get its layout and depth.
            bit_depth: of the frames.
            keep: what counts as colour.
        """
        self._make = make
        self._source = replace(make.output, bit_depth=bit_depth)
        self._marker = ShotMarker(bit_depth, keep)

    @classmethod
    def of(cls, make: ChromaMaker, video: VideoInfo, keep: Literal["auto", "on", "off"]) -> Keeper | None:
        """What a film needs, by its options' ``keep_colour``; None: there is nothing to be kept."""
        if keep == "off" or not has_chroma(video.pixel_format):
            return None
        return cls(make, video.bit_depth, keep)

    def pass_by(
        self,
        shots: Shots,
        color: Callable[[Shots], Iterator[ColorFrame]],
        seen: Callable[[ColorFrame, bool], None] = lambda frame, starts_shot: None,
    ) -> Iterator[ColorFrame]:
        """Every frame in order; ``color`` gets each run of grey shots, ``seen`` each kept frame, and whether
        it starts a shot."""
        for in_color, run in groupby(self._marker.mark(shots), attrgetter("in_color")):
            if not in_color:
                yield from color((marked.frame, marked.starts_shot) for marked in run)
                continue
            for marked in run:
                frame = self._kept(marked)
                seen(frame, marked.starts_shot)
                yield frame

    def _kept(self, marked: Marked) -> ColorFrame:
        frame = marked.frame
        if frame.chroma is None:
            return ColorFrame(frame, *self._neutral(frame))
        cb, cr = (self._as_wanted(plane, frame) for plane in frame.chroma)
        return ColorFrame(frame, cb, cr)

    def _neutral(self, frame: Frame) -> tuple[Plane, Plane]:
        depth = self._make.output.bit_depth
        kind = np.uint8 if depth == 8 else np.uint16
        height, width = frame.luma.shape
        plane = np.full(self._make.layout.size(height, width), 1 << (depth - 1), kind)
        return plane, plane

    def _as_wanted(self, plane: Plane, frame: Frame) -> Plane:
        height, width = frame.luma.shape
        make = self._make
        return relayout(plane, (height, width), make.layout, make.siting, self._source, make.output)

    def state(self) -> npt.NDArray[np.int64]:
        """What is known of the shots so far, between two parts of a film."""
        return np.array(self._marker.known, np.int64)

    def restore(self, state: npt.NDArray[np.int64]) -> None:
        """Goes on from what :meth:`state` gave."""
        self._marker.known = tuple(map(int, state))

    def words(self) -> list[str]:
        """What a person should know when the film is over."""
        kept, grey = self._marker.kept, self._marker.grey
        if not kept:
            return []
        again = "--keep-colour off colours everything anew."
        if not grey:
            return [f"The film is in colour already: nothing was coloured; {again}"]
        passed = "was in colour already and was kept as it is"
        if kept > 1:
            passed = "were in colour already and were kept as they are"
        return [f"{kept} of {kept + grey} shots {passed}; {again}"]
