"""Frames to frames with colour: the network decides at anchors, motion carries it to the frames between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from vidcolor.color.chroma import ChromaMaker
from vidcolor.frames import ColorFrame, Frame, VideoInfo
from vidcolor.pipeline.colorist import Colorist
from vidcolor.temporal.anchors import Span, Step, carry_size, find_spans, in_shots
from vidcolor.temporal.blend import load_blend
from vidcolor.temporal.propagate import Chroma, Propagator

__all__ = ["Anchored"]

_KEPT = 0.9
"""Of what is carried to an anchor with full belief; the rest is the network's, so that an error does not
travel through a whole shot."""


class Anchored:
    """Colours a film from anchors. One for a film."""

    def __init__(
        self, colorist: Colorist, make: ChromaMaker, video: VideoInfo, every: int, smooth: float
    ) -> None:
        """
        Args:
            colorist: colours the anchors.
            make: makes chroma planes of their ab.
            video: the stream.
            every: frames there are, on average, to an anchor.
            smooth: how far flicker is taken out, in [0, 1].
        """
        self._colorist, self._make, self._every = colorist, make, every
        self._depth = video.bit_depth
        self._size = carry_size(video.height, video.width)
        self._carrier = Propagator(
            self._size,
            make.output.bit_depth,
            load_blend(),
            device=colorist.device,
            precision=colorist.precision,
            smooth=smooth,
        )

    def color(self, frames: Iterable[Frame]) -> Iterator[ColorFrame]:
        """Each frame with its chroma planes, in order; none is dropped."""
        opening: Chroma | None = None
        for span in find_spans(in_shots(frames, self._depth), self._size, self._depth, self._every):
            if opening is None:
                opening = self._decided(span.steps[0])
            closing = None if span.closing is None else self._decided(span.closing, span, opening)
            yield self._finished(span.steps[0].frame, opening)
            between = self._carrier.between(span, opening, closing)
            for step, chroma in zip(span.steps[1:], between, strict=True):
                yield self._finished(step.frame, chroma)
            opening = closing

    def _finished(self, frame: Frame, chroma: Chroma) -> ColorFrame:
        return ColorFrame(frame, *self._make.held(frame.luma, chroma))

    def _decided(self, anchor: Step, span: Span | None = None, opening: Chroma | None = None) -> Chroma:
        """The colour of an anchor; what the anchor before it says is kept where it is believed."""
        if span is None or opening is None:
            return self._chroma(anchor.frame)
        carried, belief = self._carrier.onto_closing(span, opening)
        own = self._chroma(anchor.frame)
        height, width = own.shape[:2]
        kept = _KEPT * cv2.resize(belief, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
        mixed: Chroma = np.rint(own + kept * (carried.astype(np.float32) - own)).astype(own.dtype)
        return mixed

    def _chroma(self, frame: Frame) -> Chroma:
        found = self._colorist.color_one(frame)
        return np.dstack(self._make(frame.luma, found.ab))
