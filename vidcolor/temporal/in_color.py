"""Which shots of a film are in colour already, found while it goes by.

Grey film often has chroma all the same: a tint, the noise of a camera or of a tape, what compression left, a
coloured clock in a corner. A tint has one hue, and how strong it is depends on luma alone; noise has no
form. So a frame is in colour where chroma, apart from such a tint, differs from it over some of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vidcolor.color.resize import shrink
from vidcolor.frames import Frame, Plane
from vidcolor.temporal.shots import SMALL, small_luma

__all__ = ["Keep", "Look", "Marked", "ShotMarker", "look_of", "without_tint"]

Keep = Literal["auto", "on"]
"""What counts as colour: more than a tint and a few spots, or any chroma beyond noise."""
_Float = npt.NDArray[np.float32]

# Chroma is looked at in small pictures (`SMALL`), in codes of 8 bits. Of 1,416 frames that were looked at in
# 21 films in colour, 1,406 are seen as such, 8 are unclear and 2, of a dark room, grey. Made grey and then
# tinted in one hue, or with noise of 2 codes at this size, none is taken for colour.
_APART, _NEAR = 4.0, 3.0
"""Codes by which chroma differs surely, hardly."""
_SHARE = 0.03
"""Of the picture, that must differ; more than a clock or a small sign in a corner takes."""
_ANY_SHARE = 0.005
"""The same, where any chroma counts."""
_LIT = 28, 225
"""Luma between which colour would be seen, in codes of 8 bits, ..."""
_LIT_SHARE = 0.15
"""... and share of the picture that must lie there: black leaders and plain titles tell nothing."""
_SURE = 8
"""Frames with a clear look that settle what a shot is, or that it has changed."""
_PATIENCE = 24
"""Frames that wait at the most for that."""


class Look(Enum):
    """What one frame says."""

    COLOR = "in colour"
    GREY = "grey"
    UNCLEAR = "too dark or too plain to tell, or between both"


class Marked(NamedTuple):
    """A frame and what its shot is."""

    frame: Frame
    starts_shot: bool
    """A change between grey and colour starts one too."""
    in_color: bool


def look_of(frame: Frame, bit_depth: int, keep: Keep = "auto") -> Look:
    """What a frame says by itself. ``frame.chroma`` None counts as neutral."""
    luma = small_luma(frame.luma, bit_depth)
    if frame.chroma is not None:
        cb, cr = (_small(plane, bit_depth) for plane in frame.chroma)
        if keep == "on":
            if _share(cb, cr, _APART) >= _ANY_SHARE:
                return Look.COLOR
        else:
            along, across = without_tint(luma, cb, cr)
            if _share(along, across, _APART) >= _SHARE:
                return Look.COLOR
            if _share(along, across, _NEAR) >= _SHARE:
                return Look.UNCLEAR
    lit = cv2.inRange(luma, *_LIT)
    return Look.GREY if cv2.countNonZero(lit) >= _LIT_SHARE * luma.size else Look.UNCLEAR


def _small(plane: Plane, bit_depth: int) -> _Float:
    """A plane of chroma ``(h, w)`` as ``SMALL``, in codes of 8 bits from neutral."""
    if plane.strides[0] < 0 or plane.strides[1] != plane.itemsize:  # OpenCV takes neither
        plane = np.ascontiguousarray(plane)
    small: _Float = shrink(plane, *SMALL).astype(np.float32)
    small *= np.float32(2.0 ** (8 - bit_depth))
    return small - np.float32(128)


def _share(x: _Float, y: _Float, least: float) -> float:
    """How much of the picture is at least so far from 0, noise taken out."""
    x, y = (np.asarray(cv2.blur(plane, (3, 3)), np.float32) for plane in (x, y))
    return float((x * x + y * y > np.float32(least * least)).mean())


def without_tint(luma: Any, cb: _Float, cr: _Float) -> tuple[_Float, _Float]:
    """What of a small picture's chroma a tint does not explain: along the picture's one hue, and across it.

    Args:
        luma: ``(h, w)`` codes of 8 bits.
        cb, cr: the same, from neutral.
    """
    x, y = float(cb.mean()), float(cr.mean())
    length = float(np.hypot(x, y))
    x, y = (x / length, y / length) if length > 0.5 else (1.0, 0.0)
    along, across = x * cb + y * cr, x * cr - y * cb
    level = luma.astype(np.float32).ravel() / np.float32(64) - np.float32(2)
    powers = np.stack((np.ones_like(level), level, level * level))
    flat = along.ravel()
    weight = np.ones_like(flat)
    for _ in range(4):  # Cauchy's weights, or a few things in colour would pass for a tint
        weighted = powers * weight
        normal = (weighted @ powers.T).astype(np.float64) + 1e-3 * flat.size * np.eye(3)
        tint = np.linalg.solve(normal, (weighted @ flat).astype(np.float64)).astype(np.float32)
        left = flat - tint @ powers
        weight = 1 / (1 + (left / 4) ** 2)
    return left.reshape(along.shape), across


@dataclass(slots=True)
class ShotMarker:
    """Says of each frame whether its shot is in colour. One for a film.

    Frames wait only while there is doubt: the first ones of a shot until some of them have a clear look, and
    those that differ from the frames before until it is clear that they go on to. What stays unclear is as
    the shot before was; at the film's beginning it is grey.
    """

    bit_depth: int
    keep: Keep = "auto"
    kept: int = 0
    """Shots that were surely in colour, ..."""
    grey: int = 0
    """... and surely grey, so far."""
    _in_color: bool = False
    _settled: bool = False
    """Whether it is known what the shot is."""
    _waiting: list[Frame] = field(default_factory=list)
    _starts: bool = False
    """Whether the first of the waiting frames starts a shot."""
    _looks: dict[Look, int] = field(default_factory=dict)
    """Of the waiting frames, how many look like what."""

    @property
    def known(self) -> tuple[int, ...]:
        """All that is remembered while no frame waits: to be set where the film is gone on with."""
        return self.kept, self.grey, int(self._in_color), int(self._settled)

    @known.setter
    def known(self, known: tuple[int, ...]) -> None:
        self.kept, self.grey = known[:2]
        self._in_color, self._settled = map(bool, known[2:])
        self._waiting, self._looks, self._starts = [], {}, False

    def mark(self, frames: Iterable[tuple[Frame, bool]]) -> Iterator[Marked]:
        """Frames, and whether each starts a shot, as :func:`vidcolor.temporal.anchors.in_shots` says."""
        for frame, starts_shot in frames:
            if starts_shot:
                yield from self._end_shot()
                self._settled, self._starts = False, True
            yield from self._take(frame)
        yield from self._end_shot()

    def _take(self, frame: Frame) -> Iterator[Marked]:
        look = look_of(frame, self.bit_depth, self.keep)
        same = Look.COLOR if self._in_color else Look.GREY
        if self._settled and (look is same or (look is Look.UNCLEAR and not self._waiting)):
            yield from self._let_go()  # what differed for a moment belongs to the shot
            yield Marked(frame, False, self._in_color)
            return
        self._waiting.append(frame)
        self._looks[look] = self._looks.get(look, 0) + 1
        sure = self._looks.get(Look.COLOR, 0) + self._looks.get(Look.GREY, 0)
        plain = look is Look.GREY and frame.chroma is None and not self._in_color
        if sure >= _SURE or (sure and plain and not self._settled):
            yield from self._decide(change=self._settled)
        elif len(self._waiting) >= _PATIENCE:
            yield from self._let_go() if self._settled else self._decide(change=False)

    def _end_shot(self) -> Iterator[Marked]:
        if self._settled:
            yield from self._let_go()
        elif self._waiting:
            yield from self._decide(change=False)

    def _decide(self, *, change: bool) -> Iterator[Marked]:
        """What the waiting frames are, by most of them; ``change``: other than those before them."""
        color, grey = self._looks.get(Look.COLOR, 0), self._looks.get(Look.GREY, 0)
        if color or grey:
            self._settled = True
            change = change or self._in_color != (color > grey)
            self._in_color = color > grey
            self.kept += self._in_color
            self.grey += not self._in_color
        self._starts = self._starts or change
        yield from self._let_go()

    def _let_go(self) -> Iterator[Marked]:
        waiting, self._waiting, self._looks = self._waiting, [], {}
        for frame in waiting:
            yield Marked(frame, self._starts, self._in_color)
            self._starts = False
