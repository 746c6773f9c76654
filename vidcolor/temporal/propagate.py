"""From the colour of anchors to the colour of the frames between them, along motion.

Motion is known at a small size (:func:`vidcolor.temporal.anchors.carry_size`), at twice that size it is
decided which anchor is believed where; what is moved are the anchors' chroma planes themselves, at their own
size, so that fine colour stays fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import islice
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidcolor.motion import FlowFinder, scaled, warp
from vidcolor.temporal.anchors import Span, Step
from vidcolor.temporal.blend import BlendNet, Carried, mix
from vidcolor.temporal.smooth import Smoother
from vidcolor.temporal.track import Tracker, Way, belief

__all__ = ["Chroma", "Propagator"]

Chroma = npt.NDArray[Any]
"""Cb and Cr of a frame, ``(H, W, 2)``, uint8 or uint16 codes."""
_Float = npt.NDArray[np.float32]

_BATCH = 4
"""Frames the mixing network sees at once."""


class _Anchor:
    """An anchor's colour, at both sizes, with planes to spare: four go through OpenCV faster than two."""

    def __init__(self, step: Step, chroma: Chroma, bit_depth: int) -> None:
        none = np.zeros(chroma.shape[:2], np.float32)
        cb, cr = (plane.astype(np.float32) for plane in cv2.split(chroma))
        self.large: Any = cv2.merge((cb, cr, none, none))
        """``(H, W, 4)``: Cb and Cr in codes of the film's depth."""
        size, unit, neutral = step.picture.shape, np.float32(2.0 ** (8 - bit_depth)), np.float32(128)
        small = [cv2.resize(p, size[::-1], interpolation=cv2.INTER_AREA) * unit - neutral for p in (cb, cr)]
        self.small: Any = cv2.merge((*small, step.picture.astype(np.float32), np.zeros(size, np.float32)))
        """``(h, w, 4)``: Cb and Cr in 8-bit codes from neutral, luma in 8-bit codes."""
        self.luma = step.fine.astype(np.float32)
        """At the fine size."""


def _on(device: torch.device, net: BlendNet) -> BlendNet:
    """A copy where it must be moved: the package's own is shared by all films."""
    if all(parameter.device == device for parameter in net.parameters()):
        return net
    return deepcopy(net).to(device)


class Propagator:
    """Colours the frames of spans. One for a film; keeps no frames."""

    def __init__(
        self,
        size: tuple[int, int],
        bit_depth: int,
        net: BlendNet | None,
        device: torch.device | str = "cpu",
        precision: torch.dtype = torch.float32,
        smooth: float = 0.0,
    ) -> None:
        """
        Args:
            size: height and width that motion is known at.
            bit_depth: of the chroma.
            net: what mixes; None: plain weights.
            device, precision: where and in what it computes.
            smooth: how far flicker is taken out, in [0, 1].
        """
        self._flow = FlowFinder(*size)
        self._depth = bit_depth
        self._device = torch.device(device)
        self._net = None if net is None else _on(self._device, net)
        self._precision = precision
        self._smoother = Smoother(smooth) if smooth else None

    def between(self, span: Span, opening: Chroma, closing: Chroma | None) -> Iterator[Chroma]:
        """The chroma of every frame of a span after its anchor, in order.

        Args:
            span: what is to be coloured.
            opening, closing: of the anchors at its ends, all ``(H, W, 2)``; closing None where it has none.
        """
        steps = span.steps[1:]
        before = _Anchor(span.steps[0], opening, self._depth)
        after, ways = before, list[Way | None]([None] * len(steps))
        if span.closing is not None and closing is not None:
            after = _Anchor(span.closing, closing, self._depth)
            ways = list(self._ways_back(steps, span.closing))
        if self._smoother is not None:
            self._smoother.start(before.small[..., :2].copy())
        numbered = iter(enumerate(zip(steps, ways, strict=True), 1))
        while batch := list(islice(numbered, _BATCH)):
            far = [n / (len(steps) + 1) if way is not None else 0.0 for n, (_, way) in batch]
            yield from self._mixed([pair for _, pair in batch], far, before, after)

    def onto_closing(self, span: Span, opening: Chroma) -> tuple[Chroma, _Float]:
        """What a span's anchor says of the next one: its chroma ``(H, W, 2)``, and how far that is to be
        believed, ``(h, w)`` in [0, 1] at :func:`~vidcolor.temporal.anchors.fine_size`."""
        assert span.closing is not None
        step, way = span.closing, span.closing.way
        assert way is not None
        moved = warp(opening, scaled(way.places, *opening.shape[:2]))
        return moved, belief(way, step.fine, span.steps[0].fine)

    def _ways_back(self, steps: Sequence[Step], closing: Step) -> list[Way]:
        """From every frame to the anchor after it."""
        tracker = Tracker(self._flow, closing.picture)
        ways, later = list[Way](), closing
        for step in reversed(steps):
            assert later.back is not None
            assert later.forth is not None
            ways.append(tracker.step(step.picture, later.forth, later.back))
            later = step
        return ways[::-1]

    def _mixed(
        self, pairs: Sequence[tuple[Step, Way | None]], far: list[float], before: _Anchor, after: _Anchor
    ) -> Iterator[Chroma]:
        forth = [step.way for step, _ in pairs]
        back = [way or step.way for step, way in pairs]
        half = self._precision != torch.float32
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, dtype=self._precision if half else None, enabled=half),
        ):
            luma, fine = (
                self._sent([p.astype(np.float32) for p in pictures])[:, None]
                for pictures in ([step.picture for step, _ in pairs], [step.fine for step, _ in pairs])
            )
            carried = self._carried(luma, fine, forth, before)
            other = self._carried(luma, fine, back, after, [way is None for _, way in pairs])
            how = mix(self._net, luma, carried, other, self._sent(far)[:, None, None, None])
            shares, kept, around = (x.float().cpu().numpy() for x in (how.share, how.kept, how.around))
            ends = [x.chroma.cpu().numpy() for x in (carried, other)]
        for n, (step, way) in enumerate(pairs):
            assert step.way is not None
            share, keep = shares[n, 0], kept[n, 0]
            rest = self._rest(step, share, keep, around[n], [end[n] for end in ends])
            yield self._enlarged(share, keep, rest, (before, step.way), None if way is None else (after, way))

    def _rest(
        self, step: Step, share: _Float, kept: _Float, around: _Float, ends: Sequence[_Float]
    ) -> list[_Float]:
        """What is added to what is kept of the anchors: the surroundings' colour, and what smoothing
        corrects; two planes ``(h, w)``."""
        share, kept = (_at_size(plane, *step.picture.shape) for plane in (share, kept))
        rest = [(1 - kept) * plane for plane in around]
        if self._smoother is None:
            return rest
        assert step.back is not None
        assert step.steady is not None
        mixed = [kept * (b + share * (a - b)) + r for a, b, r in zip(*ends, rest, strict=True)]
        chroma: Any = cv2.merge(mixed)
        correction = self._smoother.step(step.back, step.steady, chroma) - chroma
        return [one + other for one, other in zip(rest, cv2.split(correction), strict=True)]

    def _sent(self, values: Sequence[Any]) -> Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(self._device)

    def _carried(
        self,
        luma: Tensor,
        fine: Tensor,
        ways: Sequence[Way | None],
        anchor: _Anchor,
        lost: Sequence[bool] | None = None,
    ) -> Carried:
        """What an anchor has carried to frames, by their luma at both sizes.

        ``lost``: which frames this anchor has nothing to say of.
        """
        moved, trust, finely = [], [], []
        for way, nothing in zip(ways, lost or [False] * len(ways), strict=True):
            assert way is not None
            moved.append(warp(anchor.small, way.places))
            trust.append(np.zeros_like(way.trust) if nothing else way.trust)
            finely.append(warp(anchor.luma, scaled(way.places, *anchor.luma.shape)))
        planes = self._sent(moved).permute(0, 3, 1, 2).contiguous()
        return Carried(
            planes[:, :2],
            self._sent(trust)[:, None],
            planes[:, 2:3] - luma,
            self._sent(finely)[:, None] - fine,
        )

    def _enlarged(
        self,
        share: _Float,
        kept: _Float,
        rest: Sequence[_Float],
        forward: tuple[_Anchor, Way],
        backward: tuple[_Anchor, Way] | None,
    ) -> Chroma:
        """A frame's chroma at its own size: of the anchors', and what is added to what is kept of them."""
        height, width = forward[0].large.shape[:2]
        moved = _moved(*forward)
        if backward is not None:
            near = _at_size(share, height, width)
            moved = cv2.blendLinear(moved, _moved(*backward), near, 1 - near)
        # What is not kept of the anchors is the surroundings'; it and the correction need no fine detail.
        unit, neutral = 2.0 ** (self._depth - 8), 2.0 ** (self._depth - 1)
        weight = _at_size(kept, height, width)
        planes = []
        for n, plane in enumerate(rest):
            codes = cv2.extractChannel(moved, n)
            codes -= np.float32(neutral)
            codes *= weight
            depth = cv2.CV_8U if self._depth == 8 else cv2.CV_16U
            planes.append(
                cv2.addWeighted(codes, 1, _at_size(plane, height, width), unit, neutral, dtype=depth)
            )
        return cv2.merge(planes)


def _moved(anchor: _Anchor, way: Way) -> Any:
    return warp(anchor.large, scaled(way.places, *anchor.large.shape[:2]))


def _at_size(plane: npt.NDArray[Any], height: int, width: int) -> Any:
    if plane.shape[:2] == (height, width):
        return plane
    shrinks = height < plane.shape[0] and width < plane.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(plane, (width, height), interpolation=how)
