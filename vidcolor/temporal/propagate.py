"""From the colour of anchors to the colour of the frames between them, along motion.

Motion is known at a small size (:func:`vidcolor.temporal.anchors.carry_size`). There it is decided which
anchor is believed where, and what has to be corrected; what is moved are the anchors' chroma planes
themselves, at their own size, so that fine colour stays fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidcolor.motion import Flow, FlowFinder, warp, weighed
from vidcolor.temporal.anchors import Span, Step
from vidcolor.temporal.blend import BlendNet, Carried, Mixture, mix
from vidcolor.temporal.smooth import Smoother
from vidcolor.temporal.track import Small, Tracker, Way

__all__ = ["Chroma", "Propagator"]

Chroma = npt.NDArray[Any]
"""Cb and Cr of a frame, ``(H, W, 2)``, uint8 or uint16 codes."""
_Float = npt.NDArray[np.float32]

_BATCH = 4
"""Frames the mixing network sees at once."""


class _Anchor:
    """An anchor's colour, at both sizes."""

    def __init__(self, picture: Small, chroma: Chroma, bit_depth: int) -> None:
        self.picture, self.chroma = picture, chroma
        small = cv2.resize(chroma, picture.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
        self.small: Any = small / np.float32(2 ** (bit_depth - 8)) - np.float32(128)
        """``(h, w, 2)``, 8-bit codes from neutral."""


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
        self._net = None if net is None else net.to(self._device)
        self._precision = precision
        self._smoother = Smoother(smooth) if smooth else None

    def between(self, span: Span, opening: Chroma, closing: Chroma | None) -> Iterator[Chroma]:
        """The chroma of every frame of a span after its anchor, in order.

        Args:
            span: what is to be coloured.
            opening, closing: of the anchors at its ends, all ``(H, W, 2)``; closing None where it has none.
        """
        steps = span.steps[1:]
        before = _Anchor(span.steps[0].picture, opening, self._depth)
        after, ways = before, list[Way | None]([None] * len(steps))
        if span.closing is not None and closing is not None:
            after = _Anchor(span.closing.picture, closing, self._depth)
            ways = list(self._ways_back(steps, span.closing))
        if self._smoother is not None:
            self._smoother.start(before.picture, before.small)
        numbered = iter(enumerate(zip(steps, ways, strict=True), 1))
        while batch := list(islice(numbered, _BATCH)):
            far = [n / (len(steps) + 1) if way is not None else 0.0 for n, (_, way) in batch]
            yield from self._mixed([pair for _, pair in batch], far, before, after)

    def onto_closing(self, span: Span, opening: Chroma) -> tuple[Chroma, _Float]:
        """What a span's anchor says of the next one: its chroma ``(H, W, 2)``, and how far that is to be
        believed, ``(h, w)`` in [0, 1] at the size that motion is known at."""
        assert span.closing is not None
        step, way = span.closing, span.closing.way
        assert way is not None
        anchor = _Anchor(span.steps[0].picture, opening, self._depth)
        belief = self._carried([step.picture], [way], anchor).belief
        return warp(opening, _scaled(way.places, *opening.shape[:2])), belief[0, 0].cpu().numpy()

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
        luma = [step.picture for step, _ in pairs]
        back = [way or step.way for step, way in pairs]
        carried = self._carried(luma, forth, before)
        other = self._carried(luma, back, after, [way is None for _, way in pairs])
        half = self._precision != torch.float32
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, dtype=self._precision if half else None, enabled=half),
        ):
            stack = torch.from_numpy(np.stack(luma)[:, None].astype(np.float32)).to(self._device)
            told = torch.tensor(far, dtype=torch.float32, device=self._device)[:, None, None, None]
            how = mix(self._net, stack, carried, other, told)
            small = how.of(carried.chroma, other.chroma).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        for n, (step, way) in enumerate(pairs):
            assert step.way is not None
            correction = self._correction(step, small[n])
            backward = None if way is None else (after, way)
            yield self._enlarged(how, n, (before, step.way), backward, correction)

    def _correction(self, step: Step, chroma: _Float) -> _Float | None:
        """What smoothing adds to a frame's chroma, ``(h, w, 2)``; None: nothing."""
        if self._smoother is None:
            return None
        assert step.back is not None
        assert step.forth is not None
        return self._smoother.step(step.picture, step.back, step.forth, chroma) - chroma

    def _carried(
        self,
        luma: Sequence[Small],
        ways: Sequence[Way | None],
        anchor: _Anchor,
        lost: Sequence[bool] | None = None,
    ) -> Carried:
        """``lost``: which frames this anchor has nothing to say of."""
        chroma, trust, difference = [], [], []
        for picture, way, nothing in zip(luma, ways, lost or [False] * len(ways), strict=True):
            assert way is not None
            chroma.append(warp(anchor.small, way.places).transpose(2, 0, 1))
            trust.append(np.zeros_like(way.trust) if nothing else way.trust)
            difference.append(warp(anchor.picture, way.places).astype(np.float32) - picture)

        def stacked(planes: list[Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(np.stack(planes))).to(self._device)

        return Carried(stacked(chroma), stacked(trust)[:, None], stacked(difference)[:, None])

    def _enlarged(
        self,
        how: Mixture,
        n: int,
        forward: tuple[_Anchor, Way],
        backward: tuple[_Anchor, Way] | None,
        correction: _Float | None,
    ) -> Chroma:
        """A frame's chroma at its own size."""
        height, width = forward[0].chroma.shape[:2]
        kept = how.kept[n, 0]
        share = how.share[n, 0] if backward is not None else torch.ones_like(kept)
        sides = [(forward, share * kept)] + ([(backward, (1 - share) * kept)] if backward is not None else [])
        result: Any = np.zeros((height, width, 2), np.float32)
        for (anchor, way), weight in sides:
            moved = warp(anchor.chroma, _scaled(way.places, height, width))
            cv2.add(result, weighed(moved, _resized(weight, height, width)), dst=result)
        # What is not kept of the anchors is the surroundings'; it and the correction need no fine detail.
        unit = np.float32(2 ** (self._depth - 8))
        rest = ((1 - kept) * (how.around[n] + 128)).permute(1, 2, 0).contiguous().cpu().numpy()
        if correction is not None:
            rest = cv2.add(rest, correction)
        cv2.add(result, _resized(rest * unit, height, width), dst=result)
        depth = cv2.CV_8U if forward[0].chroma.dtype == np.uint8 else cv2.CV_16U
        return cv2.addWeighted(result, 1, result, 0, 0, dtype=depth)


def _resized(plane: Tensor | _Float, height: int, width: int) -> Any:
    values = plane.cpu().numpy() if isinstance(plane, Tensor) else plane
    return cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=cv2.INTER_LINEAR)


def _scaled(places: Flow, height: int, width: int) -> Flow:
    """Places in a picture of another size, for all its pixels."""
    x, y = width / places.shape[1], height / places.shape[0]
    larger: Any = cv2.transform(places, np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]]))
    return _resized(larger, height, width)
