"""From the colour of anchors to the colour of the frames between them, along motion.

Motion is known at a small size (:func:`vidcolor.temporal.anchors.carry_size`), the mixing network sees a
smaller one, at a larger one it is decided which anchor is believed where; what is moved are the anchors'
chroma planes themselves, at their own size, so that fine colour stays fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from vidcolor.color.resize import shrink
from vidcolor.frames import Plane
from vidcolor.motion import Flow, FlowFinder, follow, scaled, warp
from vidcolor.temporal.anchors import Span, Step
from vidcolor.temporal.blend import BlendNet, Carried, mix
from vidcolor.temporal.smooth import Smoother
from vidcolor.temporal.track import LOST, Tracker, Way, belief

__all__ = ["Chroma", "Mixed", "Propagator"]

Chroma = npt.NDArray[Any]
"""Cb and Cr of a frame, ``(H, W, 2)``, uint8 or uint16 codes."""
_Float = npt.NDArray[np.float32]

_BATCH = 4
"""Frames the mixing network sees at once."""
_LONG_SIDE = 192
"""Of the pictures it sees, in pixels: finer ones than those cost most of the time and gain little."""


class _Anchor:
    """An anchor's colour, at both sizes, with planes to spare: four go through OpenCV faster than two."""

    def __init__(self, step: Step, chroma: Chroma, bit_depth: int, size: tuple[int, int]) -> None:
        none = np.zeros(chroma.shape[:2], np.float32)
        cb, cr = (plane.astype(np.float32) for plane in cv2.split(chroma))
        self.large: Any = cv2.merge((cb, cr, none, none))
        """``(H, W, 4)``: Cb and Cr in codes of the film's depth."""
        unit, neutral = np.float32(2.0 ** (8 - bit_depth)), np.float32(128)
        small = [cv2.resize(p, size[::-1], interpolation=cv2.INTER_AREA) * unit - neutral for p in (cb, cr)]
        luma = shrink(step.fine, *size).astype(np.float32)
        self.small: Any = cv2.merge((*small, luma, np.zeros(size, np.float32)))
        """``(h, w, 4)``, of ``size``: Cb and Cr in 8-bit codes from neutral, luma in 8-bit codes."""
        self.luma = step.fine.astype(np.float32)
        """At the fine size."""


class Mixed(NamedTuple):
    """How a frame's chroma is made of its anchors'."""

    share: _Float
    """Of the anchor before, ``(h, w)`` in [0, 1]; the one after has the rest."""
    kept: _Float
    """Of that mixture, ``(h, w)`` in [0, 1]."""
    rest: Sequence[_Float]
    """What is added, in 8-bit codes: two planes ``(h, w)``."""
    before: tuple[_Anchor, Way]
    after: tuple[_Anchor, Way] | None
    """The anchors with the ways to them."""
    places: Flow | None
    """Where each pixel was in the frame before, ``(h, w, 2)``: x and y; None: nobody smoothes."""


def _on(device: torch.device, net: BlendNet) -> BlendNet:
    """A copy where it must be moved: the package's own is shared by all films."""
    if all(parameter.device == device for parameter in net.parameters()):
        return net
    return deepcopy(net).to(device)


@lru_cache(maxsize=1)
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")


def _alone() -> AbstractContextManager[Any]:
    """What torch computes in this thread is not shared out to others: the pictures are so small that waiting
    for those, busy with the film's other stages, costs more than they help."""
    torch.get_num_threads()  # or torch would set it at its first work in this thread
    return _openmp().limit(limits=1)


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
        height, width = size
        scale = min(1.0, _LONG_SIDE / max(size))
        self._size = max(1, round(height * scale)), max(1, round(width * scale))
        """Of what the mixing network sees."""
        self._depth = bit_depth
        self._device = torch.device(device)
        self._net = None if net is None else _on(self._device, net)
        self._precision = precision
        self._smoother = Smoother(smooth) if smooth else None

    def look_onward(self, span: Span) -> None:
        """Finds the way from every frame of a span to the anchor after it, where there is one and nobody has
        yet, of the span's own anchor only where it starts a shot; :meth:`between` would. It needs no colours,
        and may be done in another thread."""
        later = span.closing
        if later is None or span.steps[-1].onward is not None:
            return
        tracker = Tracker(self._flow, later.picture)
        for step in reversed(span.steps if span.starts_shot else span.steps[1:]):
            assert later.back is not None
            assert later.forth is not None
            step.onward = tracker.step(step.picture, later.forth, later.back)
            later = step

    def between(self, span: Span, opening: Chroma, closing: Chroma | None) -> Iterator[Chroma]:
        """The chroma of every frame of a span after its anchor, in order.

        Args:
            span: what is to be coloured.
            opening, closing: of the anchors at its ends, all ``(H, W, 2)``; closing None where it has none.
        """
        for mixed in self.mixed(span, opening, closing):
            yield self.rounded(self.enlarged(mixed))

    def mixed(self, span: Span, opening: Chroma, closing: Chroma | None) -> Iterator[Mixed]:
        """The same, as it is decided at small sizes; :meth:`enlarged` may go on in another thread."""
        steps = span.steps[1:]
        before = _Anchor(span.steps[0], opening, self._depth, self._size)
        after, ways = before, list[Way | None]([None] * len(steps))
        if span.closing is not None and closing is not None:
            after = _Anchor(span.closing, closing, self._depth, self._size)
            self.look_onward(span)
            ways = [step.onward for step in steps]
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
        assert span.closing.way is not None
        return _carried_to(span.closing, span.closing.way, opening, span.steps[0])

    def onto_opening(self, span: Span, closing: Chroma) -> tuple[Chroma, _Float]:
        """What the next anchor says of the first of a shot, likewise."""
        assert span.closing is not None
        self.look_onward(span)
        first = span.steps[0]
        assert first.onward is not None
        return _carried_to(first, first.onward, closing, span.closing)

    def _mixed(
        self, pairs: Sequence[tuple[Step, Way | None]], far: list[float], before: _Anchor, after: _Anchor
    ) -> Iterator[Mixed]:
        forth = [step.way for step, _ in pairs]
        back = [way or step.way for step, way in pairs]
        half = self._precision != torch.float32
        with (
            _alone(),
            torch.inference_mode(),
            torch.autocast(self._device.type, dtype=self._precision if half else None, enabled=half),
        ):
            pictures = [step.fine for step, _ in pairs]
            fine = self._sent(pictures)[:, None]
            luma = self._sent([shrink(picture, *self._size) for picture in pictures])[:, None]
            carried = self._carried(luma, fine, forth, before)
            other = self._carried(luma, fine, back, after, [way is None for _, way in pairs])
            how = mix(self._net, luma, carried, other, self._sent(far)[:, None, None, None])
            shares, kept, around = (x.float().cpu().numpy() for x in (how.share, how.kept, how.around))
            ends = [x.chroma.cpu().numpy() for x in (carried, other)]
        for n, (step, way) in enumerate(pairs):
            assert step.way is not None
            share, keep = shares[n, 0], kept[n, 0]
            places = None
            if self._smoother is not None:
                assert step.back is not None
                places = scaled(follow(step.back), *self._size)
            rest = self._rest(step, share, keep, around[n], [end[n] for end in ends], places)
            yield Mixed(share, keep, rest, (before, step.way), None if way is None else (after, way), places)

    def _rest(
        self,
        step: Step,
        share: _Float,
        kept: _Float,
        around: _Float,
        ends: Sequence[_Float],
        places: Flow | None,
    ) -> list[_Float]:
        """What is added to what is kept of the anchors: the surroundings' colour, and what smoothing
        corrects; two planes ``(h, w)``."""
        share, kept = (_at_size(plane, *self._size) for plane in (share, kept))
        rest = [(1 - kept) * plane for plane in around]
        if self._smoother is None or places is None:
            return rest
        assert step.steady is not None
        mixed = [kept * (b + share * (a - b)) + r for a, b, r in zip(*ends, rest, strict=True)]
        chroma: Any = cv2.merge(mixed)
        correction = self._smoother.step(places, _at_size(step.steady, *self._size), chroma) - chroma
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
        moved, traced, finely = [], [], []
        for way, nothing in zip(ways, lost or [False] * len(ways), strict=True):
            assert way is not None
            assert way.traced is not None
            moved.append(warp(anchor.small, scaled(way.places, *self._size)))
            known = np.full_like(way.traced, LOST) if nothing else way.traced
            traced.append(_at_size(cv2.log(known), *self._size))
            finely.append(warp(anchor.luma, scaled(way.places, *anchor.luma.shape)))
        planes = self._sent(moved).permute(0, 3, 1, 2).contiguous()
        return Carried(
            planes[:, :2],
            self._sent(traced)[:, None],
            planes[:, 2:3] - luma,
            self._sent(finely)[:, None] - fine,
        )

    def enlarged(self, mixed: Mixed) -> _Float:
        """A frame's chroma at its own size, ``(H, W, 2)`` in codes, not rounded: of the anchors', and what is
        added to what is kept of them."""
        height, width = mixed.before[0].large.shape[:2]
        moved = _moved(*mixed.before)
        if mixed.after is not None:
            near = _at_size(mixed.share, height, width)
            moved = cv2.blendLinear(moved, _moved(*mixed.after), near, 1 - near)
        # What is not kept of the anchors is the surroundings'; it and the correction need no fine detail.
        unit, neutral = 2.0 ** (self._depth - 8), 2.0 ** (self._depth - 1)
        weight = _at_size(mixed.kept, height, width)
        planes = []
        for n, plane in enumerate(mixed.rest):
            codes = cv2.extractChannel(moved, n)
            codes -= np.float32(neutral)
            codes *= weight
            planes.append(cv2.addWeighted(codes, 1, _at_size(plane, height, width), unit, neutral))
        return cv2.merge(planes)

    def moved(self, planes: Sequence[Plane], mixed: Mixed) -> list[Plane] | None:
        """Planes ``(H, W)`` of the frame before a mixed one, moved along; None without smoothing."""
        if mixed.places is None:
            return None
        places = scaled(mixed.places, *planes[0].shape)
        return [warp(plane, places) for plane in planes]

    def rounded(self, chroma: _Float) -> Chroma:
        """What :meth:`enlarged` gives, as whole codes."""
        codes: Chroma = cv2.addWeighted(
            chroma, 1, chroma, 0, 0, dtype=cv2.CV_8U if self._depth == 8 else cv2.CV_16U
        )
        return np.minimum(codes, 2**self._depth - 1, out=codes) if self._depth not in (8, 16) else codes


def _carried_to(step: Step, way: Way, chroma: Chroma, anchor: Step) -> tuple[Chroma, _Float]:
    moved = warp(chroma, scaled(way.places, *chroma.shape[:2]))
    return moved, belief(way, step.fine, anchor.fine)


def _moved(anchor: _Anchor, way: Way) -> Any:
    return warp(anchor.large, scaled(way.places, *anchor.large.shape[:2]))


def _at_size(plane: npt.NDArray[Any], height: int, width: int) -> Any:
    if plane.shape[:2] == (height, width):
        return plane
    shrinks = height < plane.shape[0] and width < plane.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(plane, (width, height), interpolation=how)
