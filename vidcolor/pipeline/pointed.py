"""What hints say of a frame: their colour at their points, and on what lies there as far as it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vidcolor.color.chroma import ChromaMaker, luma_at_chroma
from vidcolor.color.planes import ab_in_gamut, ab_to_chroma
from vidcolor.color.resize import averaged, shrink
from vidcolor.frames import Frame
from vidcolor.pipeline.advice import Said
from vidcolor.pipeline.colorist import Ab, Colorist
from vidcolor.pipeline.hint_file import Hint
from vidcolor.pipeline.likeness import reach
from vidcolor.temporal.anchors import carry_size, fine_size

__all__ = ["Pointer"]

_Map = npt.NDArray[np.float32]

_RIM = 0.25
"""Width of the soft rim around a hint, as a share of its radius; at least 2 pixels."""
_HEARD = (4.0, 12.0)
"""Lab units by which the network's colour differs once it has been told a hint: up to the first it is the
network's own, from the second on the hint's doing."""
_FULL = 1.6
"""Times nearness: how far what a hint sits on has its colour in full."""
_LUMAS = 256
"""Steps of luma that a colour is known at, and interpolated between."""
_SLACK = 4.0
"""Times nearness: how far the network is followed whatever it says; it alone spreads hints over edges."""
_SPREAD = 2.0
"""Lab units by which its colour must differ to be followed where no hint reaches."""
_PARTS = 8
"""Of the hints, that are kept from the network in turn to see whether it foretells them."""
_FEW = 3
"""So many hints that it foretells prove nothing."""


class Pointer:
    """Makes what hints say. One for a film."""

    def __init__(self, colorist: Colorist, make: ChromaMaker) -> None:
        self._colorist, self._make = colorist, make
        self._curves: dict[tuple[float, float], _Map] = {}
        """Codes of Cb and Cr for every code of luma, ``(codes, 2)``, of each colour hinted at."""

    def said(self, frame: Frame, hints: Sequence[Hint]) -> Said:
        """What hints, at least one, say of a frame; of two that overlap the later one is obeyed."""
        self._learn(hints)
        upright = self._colorist.orientation.upright(frame.luma).shape
        plain = self._colorist.own(frame)
        own = np.dstack(self._make(frame.luma, plain))
        guide = self._guide(frame, own)
        near, whose = self._reached(guide, hints, upright)
        chroma, weight = own.astype(np.float32), np.zeros(own.shape[:2], np.float32)
        if self._colorist.model.takes_hints:
            told = self._told(frame, hints, upright)
            chroma = np.dstack(self._make(frame.luma, told)).astype(np.float32)
            difference = np.hypot(*(one - other for one, other in zip(plain, told, strict=True)))
            least, most = _HEARD
            heard = ((difference - least) / (most - least)).clip(0, 1)
            weight = _enlarged(heard, weight.shape) * _enlarged((_SLACK * near).clip(0, 1), weight.shape)
            spread = self._trust(frame, hints, upright, plain, guide) * (difference / _SPREAD).clip(0, 1)
            weight = np.maximum(weight, _enlarged(spread, weight.shape))
        near = (_FULL * near).clip(0, 1)
        for number, hint in enumerate(hints):
            thing = _enlarged(near * (whose == number), weight.shape)
            disc = self._stored(_disc(hint, upright, upright), weight.shape)
            firm = np.maximum(thing, disc)
            chroma += firm[..., None] * (self._plain(frame, hint) - chroma)
            weight = np.maximum(weight, firm)
        return Said(np.rint(chroma).astype(own.dtype), weight)

    def _told(self, frame: Frame, hints: Sequence[Hint], upright: tuple[int, ...]) -> Ab:
        """The network's colour with the hints."""
        shape = self._colorist.lightness(frame.luma).shape
        planes = np.zeros((3, *shape), np.float32)
        for hint in hints:
            planes[:, _disc(hint, upright, shape) >= 0.5] = np.array((*hint.ab, 1), np.float32)[:, None]
        return self._colorist.told(frame, planes)

    def _trust(
        self, frame: Frame, hints: Sequence[Hint], upright: tuple[int, ...], plain: Ab, guide: _Map
    ) -> float:
        """How far the network is followed where no hint reaches, in [0, 1]: as it foretells some from others.

        Parts of the hints are kept from it in turn. Of those that the others do not reach: by what share of
        the way from what it says by itself to what it says then it comes nearest to what they say. A few
        odd colours (a purple jacket) do not tint the rest of the picture so; the true colours of many
        things make the others truer.
        """
        ways, wanted = [], []
        parts = min(_PARTS, len(hints)) if len(hints) > _FEW else 0
        for part in range(parts):
            others = [hint for number, hint in enumerate(hints) if number % parts != part]
            near, _ = self._reached(guide, others, upright)
            apart = [
                hint for hint in hints[part::parts] if not near[self._at(hint, upright, near.shape)].any()
            ]
            if not apart:
                continue
            told = self._told(frame, others, upright)
            for hint in apart:
                at = self._at(hint, upright, plain[0].shape)
                alone, said = (np.array([plane[at].mean() for plane in ab]) for ab in (plain, told))
                ways.append(said - alone)
                wanted.append(np.array(hint.ab) - alone)
        if len(ways) <= _FEW:
            return 0.0
        length = float(np.square(ways).sum())
        share = float((np.array(ways) * wanted).sum()) / max(length, 1e-6)
        return min(max(share, 0.0), 1.0) * (len(ways) - 1) / len(ways)

    def _guide(self, frame: Frame, own: npt.NDArray[Any]) -> _Map:
        """What edges are seen in: luma and the network's own chroma, as stored, ``(h, w, 3)`` 8-bit codes."""
        size = fine_size(carry_size(*frame.luma.shape), frame.luma.shape)
        luma, chroma = self._make.space.bit_depth, self._make.output.bit_depth
        planes = shrink(frame.luma, *size) / 2 ** (luma - 8), averaged(own, *size) / 2 ** (chroma - 8)
        guide: Any = cv2.GaussianBlur(np.dstack(planes).astype(np.float32), (3, 3), 0)
        return guide

    def _reached(
        self, guide: _Map, hints: Sequence[Hint], upright: tuple[int, ...]
    ) -> tuple[_Map, npt.NDArray[np.int64]]:
        """How near each place is to a hint, on what it sits on, and the number of that hint; as stored."""
        whose = np.full(guide.shape[:2], -1)
        for number, hint in enumerate(hints):
            whose[self._at(hint, upright, whose.shape)] = number
        found = reach(guide, whose >= 0)
        reached = np.where(found.source < 0, -1, whose.ravel()[np.maximum(found.source, 0)])
        return found.nearness, reached

    def _at(self, hint: Hint, upright: tuple[int, ...], size: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """The pixels of a hint in a picture of this size, as stored."""
        orientation = self._colorist.orientation
        turned = size[::-1] if orientation.sideways else size
        return orientation.stored(_disc(hint, upright, turned) >= 0.5)

    def _plain(self, frame: Frame, hint: Hint) -> _Map:
        """Chroma of a frame that has the hint's colour everywhere, as far as its luma can show it."""
        return self._curves[hint.ab][luma_at_chroma(frame.luma, self._make.layout, self._make.siting)]

    def _learn(self, hints: Sequence[Hint]) -> None:
        """Adds the colours of hints to :attr:`_curves`."""
        new = list({hint.ab for hint in hints} - self._curves.keys())
        if not new:
            return
        space = self._make.space
        luma = torch.linspace(0, 1, _LUMAS, dtype=torch.float64)[:, None].expand(-1, len(new))
        a, b = torch.tensor(new, dtype=torch.float64).T[:, None].expand(-1, _LUMAS, -1)
        chroma = ab_to_chroma(luma, *ab_in_gamut(luma, a, b, space), space)
        span, black = space.luma_scale
        signal = (np.arange(2**space.bit_depth) - black) / span
        scale, offset = self._make.output.chroma_scale
        for number, color in enumerate(new):
            curves = [np.interp(signal, luma[:, number], plane[:, number]) for plane in chroma]
            self._curves[color] = (scale * np.stack(curves, 1) + offset).astype(np.float32)

    def _stored(self, plane: Any, shape: tuple[int, ...]) -> _Map:
        """An upright plane as stored, at the chroma planes' size."""
        turned = np.ascontiguousarray(self._colorist.orientation.stored(plane), np.float32)
        larger = shape[0] > turned.shape[0] or shape[1] > turned.shape[1]
        how = cv2.INTER_LINEAR if larger else cv2.INTER_AREA
        stored: Any = cv2.resize(turned, shape[1::-1], interpolation=how)
        return stored


def _enlarged(plane: Any, shape: tuple[int, ...]) -> Any:
    return cv2.resize(np.asarray(plane, np.float32), shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _disc(hint: Hint, upright: tuple[int, ...], shape: tuple[int, ...]) -> _Map:
    """1 inside of a hint's radius, falling to 0 at its rim; at another size, at least one pixel of 1."""
    y, x = (side / whole for side, whole in zip(shape, upright, strict=True))
    rows, columns = (np.arange(side, dtype=np.float32) for side in shape)
    # Pixel centres: (n + ½) in either size.
    dy = (rows + 0.5) / y - 0.5 - hint.y
    dx = (columns + 0.5) / x - 0.5 - hint.x
    distance = np.hypot(dx[None], dy[:, None])
    rim = max(2.0, _RIM * hint.radius)
    disc: _Map = ((hint.radius + rim - distance) / rim).clip(0, 1).astype(np.float32)
    disc[min(int(hint.y * y), shape[0] - 1), min(int(hint.x * x), shape[1] - 1)] = 1
    return disc
